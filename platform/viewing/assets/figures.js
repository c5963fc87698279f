// Figures are fetched and drawn here: soon after their page came, those near to what is seen first. While a run goes
// on, those are fetched again, and the others when they come near.
const figures = (() => {
  const CONFIG = {responsive: true, displaylogo: false, displayModeBar: false};
  const PLOTLY = "/own/plotly.min.js";
  const HAVE_NONE = /^\/$|\/(trials|record)$/; // pages
  const known = new Map(); // figures on the page -> {from, text, isAsked, isDrawn}
  const near = new Set();
  const wanted = new Set(); // whose run has news
  let isBusy = false, loading = null;

  // Drawing takes a tenth of a second and more: between two far ones the page answers its reader.
  const pause = () => new Promise((done) => (window.requestIdleCallback || setTimeout)(done, {timeout: 500}));

  const inHead = (kind, has) => document.head.append(Object.assign(document.createElement(kind), has));

  const plotly = () => (loading ??= new Promise((onload, fail) => {
    const onerror = () => fail((loading = null)); // another figure asks again
    inHead("script", {src: PLOTLY, onload, onerror});
  }));

  async function draw(figure) {
    const {title, measured, caption, plot} = inColour(known.get(figure).text);
    const [heading, unit, place, below] = figure.children;
    [heading.textContent, unit.textContent, below.textContent] = [title, measured, caption];
    place.hidden = !plot;
    if (!plot) return;
    await plotly();
    place.style.height = `${plot.layout.height}px`;
    if (!known.has(figure)) return;
    await Plotly.react(place, plot.data, plot.layout, CONFIG);
    if (known.has(figure)) known.get(figure).isDrawn = true;
  }

  async function update(figure) {
    const state = known.get(figure);
    const news = state.isAsked ? (state.from.includes("?") ? "&news" : "?news") : "";
    state.isAsked = true;
    const answer = await fetch(state.from + news);
    const text = answer.ok ? await answer.text() : "";
    if (known.get(figure) !== state) return; // it has become another one, or is gone
    if (text && text !== state.text) {
      state.text = text;
      await draw(figure);
    }
    figure.dataset.asked = "";
  }

  const next = () => [...wanted].find((it) => near.has(it)) || [...wanted].find((it) => !known.get(it).isDrawn);

  async function work() {
    if (isBusy) return;
    isBusy = true;
    for (let figure; (figure = next()); ) {
      if (!near.has(figure)) await pause();
      wanted.delete(figure);
      if (known.has(figure)) await update(figure).catch(() => {}); // another line tells that nobody answers
    }
    isBusy = false;
  }

  function forget(figure) {
    for (const each of [known, near, wanted]) each.delete(figure);
    sight.unobserve(figure);
    if (window.Plotly) Plotly.purge(figure.querySelector(".plot"));
  }

  const sight = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (!known.has(target)) continue;
      near[isIntersecting ? "add" : "delete"](target);
      if (!known.get(target).isAsked) wanted.add(target);
    }
    work();
  }, {rootMargin: "50% 0px"});

  const onPage = document.getElementsByTagName("figure");
  new MutationObserver(() => {
    for (const figure of known.keys()) if (!figure.isConnected) forget(figure);
    for (const figure of onPage) {
      const from = figure.dataset.from;
      if (!from || known.get(figure)?.from === from) continue;
      if (known.has(figure)) forget(figure);
      delete figure.dataset.asked;
      known.set(figure, {from, text: "", isAsked: false, isDrawn: false});
      sight.observe(figure);
      requestAnimationFrame(() => setTimeout(() => plotly().catch(() => {})));
    }
  }).observe(document.body, {childList: true, subtree: true, attributeFilter: ["data-from"]});

  // It is fetched at once but run after the words are there, which it would hold up for a third of a second.
  if (!HAVE_NONE.test(window.location.pathname)) inHead("link", {rel: "preload", as: "script", href: PLOTLY});

  return {
    follow() {
      for (const figure of known.keys()) wanted.add(figure);
      work();
    },

    async recolour() {
      const drawn = [...known.keys()].filter((it) => known.get(it).text);
      drawn.sort((one, other) => near.has(other) - near.has(one));
      for (const figure of drawn) {
        if (known.has(figure)) await draw(figure);
        await pause();
      }
    },
  };
})();

window.dash_clientside = Object.assign({}, window.dash_clientside, {figures});
