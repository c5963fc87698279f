// What runs in the browser besides the figures: the choice of light or dark, and the address of a table.
const THEMES = ["auto", "light", "dark"];

// What an address says beside what it says already; an empty text takes it out.
function address(told) {
  const query = new URLSearchParams(window.location.search);
  for (const [key, value] of Object.entries(told)) value ? query.set(key, value) : query.delete(key);
  const text = query.toString();
  window.history.replaceState(window.history.state, "", window.location.pathname + (text ? `?${text}` : ""));
}

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  dashboard: {
    theme(clicks, _written, kept) {
      const context = window.dash_clientside.callback_context;
      const now = THEMES.includes(kept) ? kept : "auto";
      const clicked = context.triggered.some((each) => each.prop_id === "switch-theme.n_clicks") && clicks;
      const next = clicked ? THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] : now;
      const style = document.documentElement.style, scheme = {auto: "light dark", light: "light", dark: "dark"}[next];
      if (style.colorScheme !== scheme) {
        style.colorScheme = scheme;
        figures.recolour();
      }
      return [next === kept ? window.dash_clientside.no_update : next, `colours: ${next}`];
    },

    compareChosen(rows, seen) {
      const before = (new URLSearchParams(window.location.search).get("trials") || "").split(",");
      const place = (trial) => (before.includes(trial) ? before.indexOf(trial) : before.length);
      const chosen = Array.isArray(rows) ? rows.map((row) => row.id) : [...rows.ids]; // as the page came
      chosen.sort((one, other) => place(one) - place(other)); // in the order in which they were chosen
      address({trials: chosen.join(",")});
      const page = `/run/${encodeURIComponent(seen.run)}/compare`;
      return chosen.length
        ? [`${page}?trials=${chosen.join(",")}`, `compare the ${chosen.length} chosen`]
        : [page, "compare the best"];
    },

    keepInAddress(shown, filters, id) {
      if (!shown) return window.dash_clientside.no_update; // the grid is not there yet
      const grid = dash_ag_grid.getApi(id);
      const sorted = grid.getColumnState().filter((column) => column.sort);
      sorted.sort((one, other) => one.sortIndex - other.sortIndex);
      address({
        sort: sorted.map((column) => `${column.colId}:${column.sort}`).join(","),
        filter: filters && Object.keys(filters).length ? JSON.stringify(filters) : "",
      });
      return `${shown.length} trials shown`;
    },
  },
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => figures.recolour());

// A tab that nobody sees asks for nothing; shown again, it asks at once.
document.addEventListener("visibilitychange", () => {
  const isHidden = document.visibilityState === "hidden";
  window.dash_clientside.set_props("tick", isHidden ? {disabled: true} : {disabled: false, n_intervals: Date.now()});
});

// A page that is left open says when nobody answers it any more.
setInterval(async () => {
  if (document.visibilityState === "hidden") return;
  const line = document.getElementById("connection");
  const answers = await fetch("/own/page.css", {method: "HEAD"}).then((it) => it.ok, () => false);
  if (line) line.textContent = answers ? "" : "The dashboard does not answer: what stands here may be old.";
}, 5000);
