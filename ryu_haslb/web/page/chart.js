// Draws samples as a small line chart.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 24;

export function drawSamples(cell, samples, maxValue, maxSamples) {
  let picture = cell.firstElementChild;
  if (!picture) {
    picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("role", "img");
    picture.append(document.createElementNS(SVG, "polyline"));
    cell.append(picture);
  }
  const x = (index) => WIDTH * (1 - (samples.length - 1 - index) / Math.max(maxSamples - 1, 1));
  const y = (value) => HEIGHT - 1 - (HEIGHT - 2) * (value / Math.max(maxValue, 1));
  const points = samples.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  picture.firstElementChild.setAttribute("points", points);
  const words = samples.length ? `from ${samples[0]} to ${samples[samples.length - 1]} sessions` : "no samples yet";
  picture.setAttribute("aria-label", words);
}
