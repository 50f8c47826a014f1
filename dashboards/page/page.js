// Dresses the figures for the reader's background, and for paper.
(function () {
  const looks = JSON.parse(document.getElementById("looks").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const figures = Array.from(document.querySelectorAll(".plotly-graph-div"));
  function wear(look) { figures.forEach((figure) => Plotly.relayout(figure, { template: looks[look] })); }
  function wearScreen() { wear(dark.matches ? "dark" : "light"); }
  dark.addEventListener("change", wearScreen);
  window.addEventListener("beforeprint", () => wear("light"));
  window.addEventListener("afterprint", wearScreen);
  if (dark.matches) { wearScreen(); }
})();
