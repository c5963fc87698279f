// Figures name colours as page.css does, `var(--best)`. Plotly knows no such names: here they become what they are now,
// light or dark. Takes figures as JSON, returns them as objects.
function inColour(json) {
  const probe = document.body.appendChild(document.createElement("span"));
  const colour = (_, name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const figures = JSON.parse(json.replace(/var\((--[a-z-]+)\)/g, colour));
  probe.remove();
  return figures;
}
