// A page that is printed is light whatever the screen is, as wide as paper, and not folded. It becomes so before, still
// on the screen, as charts have to be drawn for that; some browsers tell of print in one way, some in the other.
function onPaper(redraw) {
  const root = document.documentElement;
  let folded = [];
  const lay = (isPaper) => {
    if (root.classList.contains("paper") === isPaper) return;
    root.classList.toggle("paper", isPaper);
    if (isPaper) folded = [...document.querySelectorAll("details:not([open])")];
    for (const part of folded) part.open = isPaper;
    redraw();
  };
  addEventListener("beforeprint", () => lay(true));
  addEventListener("afterprint", () => lay(false));
  matchMedia("print").addEventListener("change", (media) => lay(media.matches));
}
