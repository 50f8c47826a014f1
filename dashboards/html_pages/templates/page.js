// Draws the figures in the look of the reader's background and for the width of the window, and changes them with both;
// paper gets the light look and the wide layout.
(function () {
  const held = document.getElementById("looks");
  const looks = JSON.parse(held.textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const small = window.matchMedia(`screen and (max-width: ${held.dataset.narrow}px)`);
  const config = { displaylogo: false, displayModeBar: false, responsive: true };
  const figures = Array.from(document.querySelectorAll(".plotly-graph-div")).map((box) => {
    return { box, text: document.getElementById(box.id + "-data").textContent };
  });
  function draw(template, narrow) {
    figures.forEach(({ box, text }) => {
      const { wide, narrow: other } = JSON.parse(text);
      const layout = narrow ? other.layout : wide.layout;
      layout.template = template;
      box.style.height = `${layout.height}px`;
      Plotly.react(box, wide.data, layout, config);
    });
  }
  function drawOnScreen() { draw(looks[dark.matches ? "dark" : "light"], small.matches); }
  drawOnScreen();
  dark.addEventListener("change", drawOnScreen);
  small.addEventListener("change", drawOnScreen);
  window.addEventListener("beforeprint", () => draw(looks.light, false));
  window.addEventListener("afterprint", drawOnScreen);
})();
