// Draws the figures in the look of the reader's background, and changes it with the background and for paper.
(function () {
  const looks = JSON.parse(document.getElementById("looks").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const figures = Array.from(document.querySelectorAll(".plotly-graph-div"));
  function look() { return looks[dark.matches ? "dark" : "light"]; }
  figures.forEach((figure) => {
    const drawn = JSON.parse(document.getElementById(figure.id + "-data").textContent);
    drawn.layout.template = look();
    Plotly.newPlot(figure, drawn.data, drawn.layout, { displaylogo: false, displayModeBar: false, responsive: true });
  });
  function applyTheme(template) { figures.forEach((figure) => Plotly.relayout(figure, { template })); }
  dark.addEventListener("change", () => applyTheme(look()));
  window.addEventListener("beforeprint", () => applyTheme(looks.light));
  window.addEventListener("afterprint", () => applyTheme(look()));
})();
