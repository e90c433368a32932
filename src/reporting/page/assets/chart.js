const CHART = { label: 138, width: 640, note: 178, row: 30, top: 8, bottom: 26 };

/* One chart with its two views: error bars, and a radar where there are three rows or more. */
function chart(each) {
  const asRadar = state.view === "radar" && each.rows.length > 2;
  const button = (view, name) =>
    el(
      "button",
      { type: "button", "aria-pressed": String(asRadar === (view === "radar")), onclick: () => setView(view) },
      word(name),
    );
  const choice = each.rows.length > 2 ? el("span", { class: "choice" }, button("", "bars"), button("radar", "radar")) : "";
  const picture = asRadar ? radar(each) : bars(each);
  const several = each.series && each.series.length > 1;
  const legend = several
    ? el("p", { class: "legend" }, each.series.map((name, place) => el("span", { class: `key s${place % 8}` }, said(name))))
    : "";
  const note = el("p", { class: "note" }, word("interval_note"));
  return el("figure", { class: "panel chart" }, el("figcaption", {}, el("h2", {}, said(each.title)), choice), legend, picture, note);
}

function setView(view) {
  state.view = view;
  writeAddress();
  drawCharts();
}

function drawCharts() {
  const place = $("charts");
  if (place) place.replaceChildren(...data.charts.map(chart));
}

function bars(each) {
  const series = (each.series || [""]).length;
  const row = CHART.row + (series - 1) * 12;
  const [low, high] = each.scale;
  const left = CHART.label;
  const right = CHART.width - CHART.note;
  const width = right + Math.max(CHART.note, 24 + Math.max(0, ...each.rows.flatMap((one) => one.marks.map(widthOfText))));
  const x = (value) => left + ((value - low) / (high - low)) * (right - left);
  const height = CHART.top + each.rows.length * row + CHART.bottom;
  const axis = [];
  for (let tick = 0; tick <= 5; tick++) {
    const value = low + ((high - low) * tick) / 5;
    axis.push(svg("line", { class: value === 0 && low < 0 ? "zero" : "grid-line", x1: x(value), x2: x(value), y1: CHART.top, y2: height - CHART.bottom }));
    axis.push(svg("text", { class: "tick", x: x(value), y: height - 8, "text-anchor": "middle" }, String(+value.toFixed(2))));
  }
  const rows = each.rows.map((one, place) => {
    const middle = CHART.top + place * row + row / 2;
    const label = svg("text", { class: "row-label", x: left - 10, y: middle, "text-anchor": "end", "dominant-baseline": "central" }, clipped(said(one.label), left - 14));
    const marks = one.marks.map((mark, which) => mark && marked(mark, which, x, middle + (which - (series - 1) / 2) * 14, right));
    const group = svg("g", { class: one.filters ? "row link" : "row" }, svg("title", {}, said(one.label)), svg("rect", { class: "hit", x: 0, y: middle - row / 2, width, height: row }), label, marks);
    if (one.filters) {
      group.setAttribute("tabindex", "0");
      group.setAttribute("role", "button");
      group.addEventListener("click", () => setFilters(one.filters));
      group.addEventListener("keydown", (event) => event.key === "Enter" && setFilters(one.filters));
    }
    return group;
  });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said(each.title) }, axis, rows);
}

function marked(mark, which, x, y, right) {
  if (typeof mark.mean !== "number") {
    return svg("text", { class: "value", x: right + 14, y, "dominant-baseline": "central" }, `– ${mark.note || ""}`);
  }
  const parts = [];
  if (mark.interval) {
    const [low, high] = mark.interval.map(x);
    parts.push(svg("line", { class: "whisker", x1: low, x2: high, y1: y, y2: y }));
    for (const end of [low, high]) parts.push(svg("line", { class: "whisker", x1: end, x2: end, y1: y - 4, y2: y + 4 }));
  }
  parts.push(svg("circle", { cx: x(mark.mean), cy: y, r: 5 }));
  const interval = intervalOf(mark);
  const text = svg("text", { class: "value", x: right + 14, y, "dominant-baseline": "central" }, svg("tspan", { class: "mean" }, number(mark.mean)), svg("tspan", { class: "interval" }, interval), svg("tspan", { class: "interval" }, mark.note ? `  ${mark.note}` : ""));
  return svg("g", { class: `mark s${which % 8}` }, svg("title", {}, `${number(mark.mean)}${interval} ${mark.note || ""}`), parts, text);
}

const intervalOf = (mark) => (mark.interval ? ` [${mark.interval.map((end) => number(end)).join(", ")}]` : "");

/* The width of what stands beside a mark, as if all of it were bold, as the mean is. */
function widthOfText(mark) {
  if (!mark) return 0;
  const pen = el("canvas", {}).getContext("2d");
  pen.font = `650 13px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(`${number(mark.mean)}${intervalOf(mark)}  ${mark.note || ""}`).width;
}

/* As many characters as fit into so many units of a chart, in the font of its labels. */
function clipped(text, most) {
  const pen = el("canvas", {}).getContext("2d");
  pen.font = `13px ${getComputedStyle(document.body).fontFamily}`;
  const characters = [...text.slice(0, 100)];
  const fits = (end) => pen.measureText(characters.slice(0, end).join("") + (end < characters.length ? "…" : "")).width <= most;
  let end = characters.length;
  while (end > 0 && !fits(end)) end--;
  return end < characters.length ? `${characters.slice(0, end).join("")}…` : text;
}

function radar(each) {
  const size = 330;
  const radius = 130;
  const [low, high] = each.scale;
  const count = each.rows.length;
  const point = (place, value) => {
    const angle = (2 * Math.PI * place) / count - Math.PI / 2;
    const length = (radius * (value - low)) / (high - low);
    return [size / 2 + length * Math.cos(angle), size / 2 - 2 + length * Math.sin(angle)];
  };
  const outline = (values) => `M${values.map((value, place) => point(place, value).map((one) => one.toFixed(1)).join(",")).join("L")}Z`;
  const rings = [0.2, 0.4, 0.6, 0.8, 1].map((share) => svg("path", { class: "grid-line", d: outline(each.rows.map(() => low + share * (high - low))) }));
  const spokes = each.rows.map((one, place) => {
    const [x, y] = point(place, high);
    const [tx, ty] = point(place, low + 1.16 * (high - low));
    const anchor = Math.abs(tx - size / 2) < 20 ? "middle" : tx < size / 2 ? "end" : "start";
    return [svg("line", { class: "grid-line", x1: size / 2, y1: size / 2 - 2, x2: x, y2: y }), svg("text", { class: "row-label", x: tx, y: ty, "text-anchor": anchor, "dominant-baseline": "central" }, clipped(said(one.label), 110))];
  });
  const shapes = (each.series || [""]).map((name, which) => {
    const marks = each.rows.map((one) => one.marks[which]);
    const ends = (end, otherwise) => marks.map((mark) => (mark && mark.interval ? mark.interval[end] : mark && typeof mark.mean === "number" ? mark.mean : otherwise));
    const means = marks.map((mark) => (mark && typeof mark.mean === "number" ? mark.mean : low));
    const dots = marks.map((mark, place) => {
      if (!mark || typeof mark.mean !== "number") return null;
      const [cx, cy] = point(place, mark.mean);
      return svg("circle", { cx, cy, r: 4 }, svg("title", {}, `${said(each.rows[place].label)} ${number(mark.mean)}`));
    });
    return svg("g", { class: `mark s${which % 8}` }, svg("path", { class: "band", "fill-rule": "evenodd", d: outline(ends(1, low)) + outline(ends(0, low)) }), svg("path", { class: "shape", d: outline(means) }), dots);
  });
  return svg("svg", { class: "radar", viewBox: `-115 0 ${size + 230} ${size - 20}`, role: "img", "aria-label": said(each.title) }, rings, spokes, shapes);
}
