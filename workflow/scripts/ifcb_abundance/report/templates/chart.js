// --- charts: a time axis, the abundance of one class or group, the composition, the map

const MARGIN = { left: 58, right: 10, top: 12, bottom: 30 };
const superscript = (power) => `10${String(power).replace(/./g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign]))}`;

// The days of a chart, from `first` to the end of `last` (both in ms), on `width` pixels.
function timeScale(first, last, width) {
  const inner = width - MARGIN.left - MARGIN.right;
  const whole = last + DAY - first;
  return {
    x: (time) => MARGIN.left + ((time - first) / whole) * inner,
    dayAt: (x) => {
      const day = Math.floor(((x - MARGIN.left) / inner) * (whole / DAY));
      return first + Math.max(0, Math.min(whole / DAY - 1, day)) * DAY;
    },
    perDay: (inner * DAY) / whole,
    ticks: ticksOf(first, last, Math.max(2, inner / 95)),
  };
}

function ticksOf(first, last, most) {
  const days = (last - first) / DAY + 1;
  const step = [1, 2, 7, 14].find((each) => days / each <= most);
  const found = [];
  if (step) {
    for (let time = first; time <= last; time += step * DAY) found.push(time);
    return found;
  }
  const months = [1, 2, 3, 6, 12, 24, 60].find((each) => days / 30.4 / each <= most) ?? 120;
  const start = new Date(first);
  for (let month = start.getUTCFullYear() * 12; ; month += months) {
    const time = Date.UTC(Math.floor(month / 12), month % 12);
    if (time > last) return found;
    if (time >= first) found.push(time);
  }
}

function valueScale(values, log, height) {
  const [bottom, top] = [height - MARGIN.bottom, MARGIN.top];
  const positive = values.filter((value) => value > 0);
  const most = Math.max(...positive, 0) || 1;
  if (log && positive.length) {
    const least = Math.min(...positive) / 1.5;
    const range = Math.log(most * 1.1 / least);
    const y = (value) => bottom - (Math.log(Math.max(value, least) / least) / range) * (bottom - top);
    return { y, ticks: logTicks(least, most * 1.1) };
  }
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const end = Math.ceil((most * 1.001) / step) * step;
  const ticks = [];
  for (let i = 0; i * step <= end * 1.0001; i++) ticks.push([i * step, digits.format(i * step)]);
  return { y: (value) => bottom - (value / end) * (bottom - top), ticks };
}

// Powers of ten within two values; with fewer than two of them 1, 2 and 5 of each, then 1 to 9, else the values themselves.
function logTicks(least, most) {
  const inside = ([value]) => value >= least && value <= most;
  const powers = [];
  for (let power = Math.floor(Math.log10(least)); 10 ** power <= most; power++) powers.push(power);
  const whole = powers.map((power) => [10 ** power, superscript(power)]).filter(inside);
  if (whole.length > 1) return whole;
  const plain = (value) => [value, digits.format(value)];
  for (const digit of [[1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
    const steps = powers.flatMap((power) => digit.map((each) => plain(each * 10 ** power))).filter(inside);
    if (steps.length > 1) return steps;
  }
  return [least, most].map(plain);
}

function axes(time, y, ticks, width, height, title) {
  const lines = drawn("g", { class: "axes", "aria-hidden": "true" });
  for (const [value, label] of ticks) {
    lines.append(drawn("path", { class: "grid", d: `M${MARGIN.left} ${y(value)}H${width - MARGIN.right}` }));
    lines.append(drawn("text", { x: MARGIN.left - 6, y: y(value) + 4, class: "right" }, label));
  }
  for (const tick of time.ticks) {
    const x = time.x(tick) + (time.perDay > 60 ? time.perDay / 2 : 0); // the middle of a wide day, or where a day begins
    lines.append(drawn("path", { class: "tick", d: `M${x} ${height - MARGIN.bottom}v5` }));
    if (x < width - 34) lines.append(drawn("text", { x, y: height - MARGIN.bottom + 18 }, isoDay(tick)));
  }
  const middle = (height - MARGIN.bottom + MARGIN.top) / 2;
  lines.append(drawn("text", { class: "title", transform: `translate(12 ${middle}) rotate(-90)` }, title));
  return lines;
}

function sheet(width, height, label) {
  return drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
}

// The chosen days, shaded.
function shade(time, chosen, height) {
  if (!chosen) return "";
  const [x, end] = [time.x(chosen.first), time.x(chosen.last + DAY)];
  const size = { x, width: Math.max(end - x, 1), y: MARGIN.top, height: height - MARGIN.top - MARGIN.bottom };
  return drawn("rect", { class: "chosen", ...size });
}

// marks: of each series, per day: time, value, low, high and more; value is null on a day without data.
function seriesChart(time, series, { width, height, log, chosen, picked, label }) {
  const known = series.flatMap(({ marks }) => marks.filter((mark) => mark.value !== null));
  const { y, ticks } = valueScale(known.flatMap(({ low, value, high }) => [low, value, high]), log, height);
  const chart = sheet(width, height, label);
  chart.append(shade(time, chosen, height), axes(time, y, ticks, width, height, "objects per mL"));
  const middle = (mark) => time.x(mark.time + DAY / 2);
  for (const { colour, marks } of series) {
    const shown = log ? marks.filter((mark) => mark.count !== 0) : marks;
    const rules = shown.filter((mark) => mark.value !== null).map((mark) => `M${middle(mark)} ${y(mark.low)}V${y(mark.high)}`);
    // A day without data is a gap, and so is a zero where the axis is logarithmic.
    let pen = "M";
    const line = marks.map((mark) => {
      if (mark.value === null || (log && !mark.value)) return (pen = "M") && "";
      const step = `${pen}${middle(mark)} ${y(mark.value)}`;
      pen = "L";
      return step;
    });
    chart.append(drawn("path", { class: "limits", stroke: colour, d: rules.join("") }));
    chart.append(drawn("path", { class: "line", stroke: colour, d: line.join("") }));
  }
  const points = drawn("g", { class: "points" });
  const size = Math.max(2, Math.min(4, time.perDay / 3));
  for (const { name, colour, marks } of series) {
    for (const mark of marks) {
      if (mark.value === null) continue;
      const none = log && mark.count === 0; // drawn as its upper limit
      const [x, at] = [middle(mark), y(none ? mark.high : mark.value)];
      const triangle = `M${x - 4} ${at - 3}h8l-4 7z`;
      const point = none ? drawn("path", { d: triangle }) : drawn("circle", { cx: x, cy: at, r: size });
      const said =
        `${isoDay(mark.time)}, ${name}: ${digits.format(mark.value)} objects per mL, ` +
        `${digits.format(mark.low)} to ${digits.format(mark.high)}; ${mark.count} in ${digits.format(mark.mL)} mL`;
      const attributes = { fill: colour, role: "button", tabindex: -1, "aria-label": said, class: mark.key === picked ? "picked" : "" };
      for (const [key, value] of Object.entries(attributes)) point.setAttribute(key, value);
      Object.assign(point.dataset, { day: isoDay(mark.time), series: name, key: mark.key });
      for (const field of ["count", "mL", "value", "low", "high"]) point.dataset[field] = mark[field];
      points.append(point);
    }
  }
  points.firstChild?.setAttribute("tabindex", 0);
  chart.append(points);
  return chart;
}

// days: of each, the time and the share of each kind, which sum to 1 or are all 0.
// counted: what the shares are of.
function compositionChart(time, days, kinds, { width, height, chosen, label, counted }) {
  const chart = sheet(width, height, label);
  chart.setAttribute("role", "img");
  const y = (share) => height - MARGIN.bottom - share * (height - MARGIN.bottom - MARGIN.top);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${100 * share} %`]);
  chart.append(axes(time, y, ticks, width, height, `share of ${counted}`));
  const paths = kinds.map(() => "");
  const wide = time.perDay * (time.perDay > 6 ? 0.92 : 1); // narrow bars without gaps, which would be stripes
  for (const { time: day, shares } of days) {
    let below = 0;
    shares.forEach((share, kind) => {
      if (!share) return;
      paths[kind] += `M${time.x(day)} ${y(below)}h${wide}V${y((below += share))}h${-wide}z`;
    });
  }
  kinds.forEach(({ colour }, kind) => chart.append(drawn("path", { fill: colour, d: paths[kind] })));
  chart.append(shade(time, chosen, height));
  return chart;
}

// Two to four round values within `half` of `middle`, and the step between them.
function roundTicks(middle, half) {
  const power = 10 ** Math.floor(Math.log10((2 * half) / 3));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= (2 * half) / 3);
  const first = Math.ceil((middle - half) / step);
  const count = Math.floor((middle + half) / step) - first + 1;
  return { step, ticks: [...Array(count).keys()].map((i) => (first + i) * step) };
}

// places: of each series, its colour and the latitudes and longitudes of its bins.
// coast: of each polygon its level (1 land, 2 lake, 3 island, 4 pond) and its degrees east and north in turn, or null.
function mapChart(series, { width, height, label, coast }) {
  const all = series.flatMap(({ places }) => places);
  const [west, east] = [Math.min(...all.map(({ lon }) => lon)), Math.max(...all.map(({ lon }) => lon))];
  const [south, north] = [Math.min(...all.map(({ lat }) => lat)), Math.max(...all.map(({ lat }) => lat))];
  const [lon, lat] = [(west + east) / 2, (south + north) / 2];
  const narrow = Math.max(Math.cos((lat * Math.PI) / 180), 0.05);
  const [wide, tall] = [width - MARGIN.left - 24, height - MARGIN.bottom - 24];
  const least = coast ? 0.15 : 0.02;
  const scale = Math.min(wide / Math.max((east - west) * narrow, least), tall / Math.max(north - south, least)) * 0.9;
  const x = (degrees) => MARGIN.left + wide / 2 + (degrees - lon) * narrow * scale;
  const y = (degrees) => 12 + tall / 2 - (degrees - lat) * scale;
  const chart = sheet(width, height, label);
  chart.setAttribute("role", "img");
  const [left, end] = [MARGIN.left, width - 10];
  const frame = { x: left, y: 6, width: end - left, height: height - MARGIN.bottom - 6 };
  const land = drawn("svg", { ...frame, viewBox: Object.values(frame).join(" ") }); // what is outside of it is not seen
  for (const [level, degrees] of coast ?? []) {
    const points = [];
    for (let i = 0; i < degrees.length; i += 2) points.push(`${x(degrees[i]).toFixed(1)} ${y(degrees[i + 1]).toFixed(1)}`);
    land.append(drawn("path", { class: level % 2 ? "land" : "lake", d: `M${points.join("L")}Z` }));
  }
  chart.append(land);
  const place = (value, step, signs) => {
    const from = value > 180 ? value - 360 : value;
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return `${Math.abs(from).toFixed(decimals)}° ${signs[+(from > 0)]}`;
  };
  const across = roundTicks(lon, (0.45 * wide) / narrow / scale);
  for (const there of across.ticks) {
    chart.append(drawn("path", { class: "grid", d: `M${x(there)} 6V${height - MARGIN.bottom}` }));
    chart.append(drawn("text", { x: x(there), y: height - MARGIN.bottom + 16 }, place(there, across.step, "WE")));
  }
  const along = roundTicks(lat, tall / 2 / scale);
  for (const up of along.ticks) {
    chart.append(drawn("path", { class: "grid", d: `M${MARGIN.left} ${y(up)}H${width - 10}` }));
    chart.append(drawn("text", { x: MARGIN.left - 4, y: y(up) + 4, class: "right" }, place(up, along.step, "SN")));
  }
  for (const { colour, places } of series) {
    const d = new Set(places.map((each) => `M${x(each.lon).toFixed(1)} ${y(each.lat).toFixed(1)}h0`));
    chart.append(drawn("path", { class: "places", stroke: colour, d: [...d].join("") }));
  }
  const km = scale / 111.2; // pixels
  const bar = [...Array(12).keys()].flatMap((i) => [1, 2, 5].map((each) => each * 10 ** (i - 6))).findLast((each) => each * km < wide / 3);
  const [start, level] = [width - 14 - bar * km, height - MARGIN.bottom - 8];
  chart.append(drawn("path", { class: "bar", d: `M${start} ${level}h${bar * km}` }));
  const length = bar < 1 ? `${digits.format(1000 * bar)} m` : `${digits.format(bar)} km`;
  chart.append(drawn("text", { x: start, y: level - 5, class: "left" }, length));
  return chart;
}
