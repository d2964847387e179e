// Draws the charts: again when the colour scheme or the width changes. `charts` has the Vega-Lite of each
// element by its id, `dark` the colours of the dark scheme by those of the light one.
const scheme = matchMedia('(prefers-color-scheme: dark)');
const WEEK = 16, LABELS = 96, LEGEND = 130;

function coloured(value) {
  if (typeof value === 'string') return dark[value] ?? value;
  if (Array.isArray(value)) return value.map(coloured);
  if (value && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
  return value;
}

// A calendar of a year is wider than a phone: only as many of its last weeks are drawn as fit.
function fitted(spec, width) {
  if (!spec.encoding?.row) return spec;
  const fits = Math.max(4, Math.floor((width - LABELS) / WEEK));
  spec.encoding.color.legend.columns = Math.max(1, Math.min(8, Math.floor(width / LEGEND)));
  for (const [name, rows] of Object.entries(spec.datasets)) {
    const weeks = [...new Set(rows.map(row => row.week))].sort().slice(-fits);
    spec.datasets[name] = rows.filter(row => row.week >= weeks[0]);
  }
  return spec;
}

function draw() {
  for (const [id, spec] of Object.entries(charts)) {
    const place = document.getElementById(id), copy = structuredClone(spec);
    const drawn = fitted(scheme.matches ? coloured(copy) : copy, place.clientWidth);
    vegaEmbed(place, drawn, {actions: false, renderer: 'svg'}).catch(console.error);
  }
}

let width = document.documentElement.clientWidth, waiting;
draw();
scheme.addEventListener('change', draw);
addEventListener('resize', () => {
  if (width === document.documentElement.clientWidth) return;
  width = document.documentElement.clientWidth;
  clearTimeout(waiting);
  waiting = setTimeout(draw, 150);
});
