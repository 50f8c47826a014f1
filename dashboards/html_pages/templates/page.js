// Draws the figures in the look of the reader's background and for the width of the window, and changes them with both;
// paper gets the light look and the wide layout.
(function () {
  const held = document.getElementById("looks");
  const looks = JSON.parse(held.textContent);
  const lighter = JSON.parse(document.getElementById("lighter").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const small = window.matchMedia(`screen and (max-width: ${held.dataset.narrow}px)`);
  const config = { displaylogo: false, displayModeBar: false, responsive: true };
  const figures = Array.from(document.querySelectorAll(".plotly-graph-div")).map((box) => {
    return { box, text: document.getElementById(box.id + "-data").textContent };
  });
  // Whole values that are colours too dark for a dark background.
  function lighten(_, value) { return typeof value === "string" && Object.hasOwn(lighter, value) ? lighter[value] : value; }
  function draw(look, isNarrow) {
    figures.forEach(({ box, text }) => {
      const { wide, narrow } = JSON.parse(text, look === "dark" ? lighten : undefined);
      const layout = isNarrow ? narrow.layout : wide.layout;
      layout.template = looks[look];
      box.style.height = `${layout.height}px`;
      Plotly.react(box, wide.data, layout, config);
    });
  }
  function drawOnScreen() { draw(dark.matches ? "dark" : "light", small.matches); }
  drawOnScreen();
  dark.addEventListener("change", drawOnScreen);
  small.addEventListener("change", drawOnScreen);
  window.addEventListener("beforeprint", () => draw("light", false));
  window.addEventListener("afterprint", drawOnScreen);
})();
