// --- the explorer: one state, and views that follow it

async function prepareExplorer() {
  const data = JSON.parse(await unpack("explorer"));
  const columns = Object.fromEntries((await columnsOf("abundance")).map((column) => [column.name, column.values]));
  const ledger = Object.fromEntries((await columnsOf("ledger")).map((column) => [column.name, column.values]));
  const nKeys = data.keys.date.length;
  const scores = data.scores && (await unpackScores(data.scores, data.precision, nKeys));
  const limitsOf = poissonLimits(data.confidence);
  const { classes, groups, series, kinds } = data;
  const colourOf = (i) => (data.series_colours[i] === "#000000" ? "currentColor" : data.series_colours[i]);
  const times = data.keys.date.map(Date.parse);
  const first = times.reduce((a, b) => Math.min(a, b), Infinity);
  const last = times.reduce((a, b) => Math.max(a, b), -Infinity);

  // Rows of tables by class or group, and key.
  const rowOf = new Int32Array(classes.length * nKeys).fill(-1);
  data.rows.key.forEach((key, row) => (rowOf[data.rows.label[row] * nKeys + key] = row));
  const groupRowOf = new Int32Array(groups.length * nKeys).fill(-1);
  data.group_rows.key.forEach((key, row) => (groupRowOf[data.group_rows.group[row] * nKeys + key] = row));
  const nRois = new Float64Array(nKeys);
  data.rows.key.forEach((key, row) => (nRois[key] += columns.count[row]));
  const keysOf = series.map((_, which) => data.keys.series.flatMap((each, key) => (each === which ? [key] : [])));
  const dateOfBin = new Map(ledger.bin.map((bin, i) => [bin, ledger.date[i]]));
  const binsOfKey = new Map();
  data.bin_keys.forEach((key, i) => key >= 0 && (binsOfKey.get(key)?.push(i) ?? binsOfKey.set(key, [i])));

  const things = [
    ...classes.map((each, number) => ({ ...each, id: `class:${each.name}`, number, members: [number] })),
    ...groups.map((name, number) => {
      const of = (each) => (name === data.living_total ? each.living === "yes" : each.group === name);
      const members = classes.flatMap((each, i) => (each.name !== data.unclassified && of(each) ? [i] : []));
      return { name, id: `group:${name}`, number, members, isGroup: true };
    }),
  ];
  for (const thing of things) thing.count ??= thing.members.reduce((sum, i) => sum + classes[i].count, 0);
  const thingOf = new Map(things.map((thing) => [thing.id, thing]));

  // --- state: what the reader chose. The address holds what differs from the run.

  // A class keeps a threshold of its own also where it is that of all classes.
  const hasOwn = (i) => data.own.includes(i) || classes[i].threshold !== data.threshold;
  const asRun = new Map(
    classes.flatMap(({ threshold }, i) => (threshold !== null && hasOwn(i) ? [[i, threshold]] : [])),
  );
  // To begin with, what there is most of among what lives.
  const living = classes.filter((each) => each.living === "yes");
  const most = (living.length ? living : classes).reduce((a, b) => (!a || b.count > a.count ? b : a), null);
  const begin = () => ({
    show: most && `class:${most.name}`,
    all: data.threshold,
    own: new Map(asRun),
    from: "",
    to: "",
    series: series.length <= data.series_colours.length ? "" : (series[0]?.name ?? ""),
    axis: "linear",
    limits: "",
    point: null,
  });
  const state = begin();

  const snapped = (threshold) => {
    const within = Math.min(Math.max(threshold, 0), 1);
    if (!scores?.step || within === data.threshold || [...asRun.values()].includes(within)) return within;
    return Number((Math.round(within / scores.step) * scores.step).toFixed(3));
  };
  const thresholdOf = (i) => (scores ? (state.own.get(i) ?? state.all) : classes[i].threshold);
  const sameOwn = () => state.own.size === asRun.size && [...asRun].every(([i, threshold]) => state.own.get(i) === threshold);

  function readAddress() {
    if (!location.hash.startsWith("#?")) return;
    const asked = new URLSearchParams(location.hash.slice(2));
    const number = (text) => (text === null || !(Number(text) >= 0 && Number(text) <= 1) ? null : snapped(Number(text)));
    const day = (name) => (/^\d{4}-\d{2}-\d{2}$/.test(asked.get(name) ?? "") ? asked.get(name) : "");
    Object.assign(state, begin());
    if (thingOf.has(asked.get("show"))) state.show = asked.get("show");
    if (scores) state.all = number(asked.get("threshold")) ?? state.all;
    if (scores && asked.has("own")) state.own = new Map();
    for (const text of scores ? asked.getAll("own") : []) {
      const at = text.indexOf(" ");
      const which = classes.findIndex((each) => each.name === text.slice(at + 1));
      if (at > 0 && which >= 0 && number(text.slice(0, at)) !== null) state.own.set(which, number(text.slice(0, at)));
    }
    [state.from, state.to] = [day("from"), day("to")];
    if (series.some((each) => each.name === asked.get("series"))) state.series = asked.get("series");
    if (asked.get("axis") === "log") state.axis = "log";
    if (asked.get("limits") === "widened") state.limits = "_dispersed";
    const [date, ...name] = (asked.get("point") ?? "").split(" ");
    const found = data.keys.date.findIndex((each, key) => each === date && series[data.keys.series[key]].name === name.join(" "));
    if (found >= 0) state.point = found;
  }

  function writeAddress() {
    const [kept, usual] = [new URLSearchParams(), begin()];
    if (state.show !== usual.show) kept.set("show", state.show);
    if (state.all !== usual.all) kept.set("threshold", state.all);
    if (!sameOwn()) for (const [i, threshold] of state.own) kept.append("own", `${threshold} ${classes[i].name}`);
    if (!sameOwn() && !state.own.size) kept.set("own", "");
    ["from", "to"].forEach((name, i) => ends()[i] && kept.set(name, ends()[i]));
    if (state.series !== usual.series) kept.set("series", state.series);
    if (state.axis === "log") kept.set("axis", "log");
    if (state.limits) kept.set("limits", "widened");
    if (state.point !== null) kept.set("point", `${data.keys.date[state.point]} ${series[data.keys.series[state.point]].name}`);
    const address = kept.size ? `#?${kept}` : location.hash.startsWith("#?") ? "#" : location.hash;
    try {
      if (address !== location.hash) history.replaceState(null, "", address);
    } catch {
      // A page in a frame may not change its address.
    }
  }

  // --- counts at the thresholds chosen

  const counts = new Float64Array(classes.length * nKeys);
  const applied = classes.map(() => undefined);
  const unclassified = classes.findIndex((each) => each.name === data.unclassified);
  const placeOf = new Map(data.counted.map((i, place) => [i, place]));

  function applyThresholds() {
    for (const [i, place] of placeOf) {
      const threshold = thresholdOf(i);
      if (applied[i] === threshold) continue;
      applied[i] = threshold;
      const edge = threshold === classes[i].threshold ? null : scores.edgeOf(threshold);
      for (let key = 0, cell = i * nKeys; key < nKeys; key++, cell++) {
        if (rowOf[cell] < 0) continue;
        counts[cell] = edge === null ? columns.count[rowOf[cell]] : scores.reached(place, key, edge);
      }
    }
    if (unclassified < 0) return;
    for (let key = 0; key < nKeys; key++) {
      let rest = nRois[key];
      for (const i of placeOf.keys()) rest -= counts[i * nKeys + key];
      counts[unclassified * nKeys + key] = rest;
    }
  }

  const isAsRun = (i) => i !== unclassified && thresholdOf(i) === classes[i].threshold;

  // What a table would say of a class or group, in a key; null if it would have no row.
  function markOf(thing, key) {
    const row = (thing.isGroup ? groupRowOf : rowOf)[thing.number * nKeys + key];
    if (row < 0) return null;
    const mL = thing.isGroup ? data.group_rows.ml_analyzed_total[row] : columns.ml_analyzed_total[row];
    const count = thing.members.reduce((sum, i) => sum + counts[i * nKeys + key], 0);
    const widened = state.limits && !thing.isGroup && isAsRun(thing.number);
    const [low, high] = widened
      ? [columns.objects_per_ml_low_dispersed[row], columns.objects_per_ml_high_dispersed[row]]
      : limitsOf(count).map((limit) => limit / mL);
    return { key, time: times[key], count, mL, value: count / mL, low, high };
  }

  // --- what is chosen

  const shownSeries = () => series.flatMap((each, i) => (!state.series || each.name === state.series ? [i] : []));
  // The days asked for, the earlier first, whichever was entered as which. The fields keep them as entered: the year of a
  // day that is being typed is early for a moment. An end that is empty is open.
  const ends = () => (state.from && state.to && state.from > state.to ? [state.to, state.from] : [state.from, state.to]);
  // Those of the chart; null if none is asked for, or all lie before or after it.
  const chosen = () => {
    const [from, to] = ends();
    if (!from && !to) return null;
    const days = { first: Math.max(from ? Date.parse(from) : first, first), last: Math.min(to ? Date.parse(to) : last, last) };
    return days.first <= days.last ? days : null;
  };
  const inSpan = (date) => {
    const [from, to] = ends();
    return (!from || date >= from) && (!to || date <= to);
  };
  const spanText = () => {
    const [from, to] = ends();
    if (!from && !to) return "all days";
    if ((from && to) || chosen()) return `${from || isoDay(first)} to ${to || isoDay(last)}`;
    return from ? `${from} and later` : `${to} and earlier`;
  };

  // --- the views

  function drawSeries(thing, width) {
    const time = timeScale(first, last, width);
    const shown = shownSeries().map((i) => {
      const of = new Map(keysOf[i].map((key) => [times[key], key]));
      const marks = [];
      for (let at = first; at <= last; at += DAY) {
        marks.push((of.has(at) && markOf(thing, of.get(at))) || { time: at, value: null, hasData: of.has(at) });
      }
      return { name: series[i].name, colour: colourOf(state.series ? 0 : i), marks };
    });
    const host = element("class-chart");
    const focused = host.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const label = `${thing.name}: objects per mL per UTC day. Arrow keys go from point to point, Enter shows its bins.`;
    const options = { width, height: 360, log: state.axis === "log", chosen: chosen(), picked: state.point, label };
    host.replaceChildren(seriesChart(time, shown, options));
    host.dataset.drawn = thing.name;
    if (focused !== null) focusPoint(host.querySelector(`[data-key="${focused}"]`));
    element("class-said").textContent = describe(thing, shown.flatMap(({ marks }) => marks));
    fillLegend("series-legend", shown.length > 1 ? shown.map(({ name, colour }) => [name, colour]) : []);
  }

  function fillLegend(id, entries) {
    element(id).replaceChildren(
      ...entries.map(([name, colour]) => {
        const swatch = make("span", { className: "swatch" });
        swatch.style.background = colour;
        return make("li", {}, swatch, name);
      }),
    );
  }

  function drawComposition(width) {
    const days = new Map();
    const span = kinds.map(() => 0);
    for (const i of shownSeries()) {
      for (const key of keysOf[i]) {
        const of = days.get(times[key]) ?? kinds.map(() => 0);
        days.set(times[key], of);
        for (let label = 0; label < classes.length; label++) of[classes[label].kind] += counts[label * nKeys + key];
      }
    }
    const shares = [...days].map(([time, of]) => {
      if (inSpan(isoDay(time))) of.forEach((n, kind) => (span[kind] += n));
      const total = of.reduce((a, b) => a + b, 0);
      return { time, shares: of.map((n) => (total ? n / total : 0)) };
    });
    const total = span.reduce((a, b) => a + b, 0);
    const label = `Composition of each UTC day by group of classes. The list below has the shares of ${spanText()}.`;
    const options = { width, height: 220, chosen: chosen(), label, counted: data.counted_are };
    element("composition").replaceChildren(compositionChart(timeScale(first, last, width), shares, kinds, options));
    const percent = (n) => (total ? `${digits.format(Math.round((1000 * n) / total) / 10)} %` : "0 %");
    fillLegend("composition-legend", kinds.map(({ name, colour }, kind) => [`${name} ${percent(span[kind])}`, colour]));
    element("composition-said").textContent = `Shares of ${thousands.format(total)} ${data.counted_are}, ${spanText()}`;
  }

  function drawMap(width) {
    const shown = shownSeries().map((i) => {
      const places = keysOf[i]
        .filter((key) => inSpan(data.keys.date[key]))
        .flatMap((key) => binsOfKey.get(key) ?? [])
        .filter((bin) => ledger.status[bin] === "used" && data.placed[bin])
        .map((bin) => ({ lat: ledger.latitude[bin], lon: ledger.longitude[bin] }));
      return { colour: colourOf(state.series ? 0 : i), places };
    });
    const all = shown.flatMap(({ places }) => places);
    // Both sides of the date line are one place.
    if (all.some(({ lon }) => lon < -90) && all.some(({ lon }) => lon > 90)) for (const each of all) if (each.lon < 0) each.lon += 360;
    const { coast } = data;
    const said = `${thousands.format(all.length)} used bins with a position, ${spanText()}; ${coast ? "coast: GSHHG" : "no coast lines"}`;
    element("map").replaceChildren(all.length ? mapChart(shown, { width, height: 260, label: said, coast }) : "");
    element("map-said").textContent = said;
  }

  function followSpan() {
    rowsInSpan = (table, date) => inSpan(date);
    for (const table of Object.values(shownTables)) table.draw();
    for (const note of document.querySelectorAll(".span-note")) {
      note.textContent = state.from || state.to ? `Only rows of ${spanText()}, the days chosen above.` : "";
    }
    const tiles = [...document.querySelectorAll(".montage [data-roi]")];
    for (const tile of tiles) {
      const outside = (state.from || state.to) && !inSpan(dateOfBin.get(tile.dataset.roi.slice(0, -6)) ?? "");
      tile.classList.toggle("outside", Boolean(outside));
    }
    for (const montage of document.querySelectorAll(".montage")) {
      const all = montage.querySelectorAll("[data-roi]").length;
      const out = montage.querySelectorAll(".outside").length;
      montage.previousElementSibling.textContent = out ? `${all - out} of ${all} images are of ${spanText()}; the others are faint.` : "";
    }
    const statuses = new Map();
    ledger.date.forEach((date, i) => {
      if (inSpan(date)) statuses.set(ledger.status[i], (statuses.get(ledger.status[i]) ?? 0) + 1);
    });
    const told = [...statuses].map(([status, n]) => `${thousands.format(n)} ${status}`).join(", ");
    element("bins-said").textContent = `Bins of ${spanText()}: ${told || "none"}`;
  }

  function showPoint(thing) {
    const panel = element("point");
    panel.hidden = state.point === null;
    if (panel.hidden) return panel.replaceChildren();
    const name = series[data.keys.series[state.point]].name;
    const bins = binsOfKey.get(state.point) ?? [];
    const mark = markOf(thing, state.point);
    const close = make("button", { type: "button", className: "close" }, "Close");
    close.addEventListener("click", () => change({ point: null }));
    const heading = make("h3", { tabIndex: -1 }, `${data.keys.date[state.point]}, ${name}: ${thousands.format(bins.length)} bins`);
    const said = mark
      ? `${thing.name}: ${thousands.format(mark.count)} objects in ${digits.format(mark.mL)} mL, ${digits.format(mark.value)} per mL ` +
        `(${digits.format(mark.low)} to ${digits.format(mark.high)})`
      : `${thing.name} was not assessed.`;
    const table = make("table", { className: "facts" });
    table.append(make("caption", {}, "The bins of this point"));
    const fields = ["sample_time", "bin", "ml_analyzed", "n_images", "status", "reason"];
    table.createTHead().insertRow().append(...fields.map((field) => make("th", { scope: "col" }, field)));
    const body = table.createTBody();
    for (const bin of bins) {
      const row = body.insertRow();
      for (const field of fields) row.insertCell().textContent = ledger[field][bin] ?? "";
    }
    const scroll = make("div", { className: "scrolls", tabIndex: 0, role: "region", ariaLabel: "The bins of this point" }, table);
    panel.replaceChildren(close, heading, make("p", {}, said), imagesOf(thing, new Set(bins.map((bin) => ledger.bin[bin]))), scroll);
  }

  // Images that the montages of the page have of these bins: of the class, or of all classes of a group.
  function imagesOf(thing, bins) {
    const montages = [...document.querySelectorAll(".montage")];
    if (!montages.length) return make("p", { className: "note" }, "This report has no images: images.make asks for them.");
    const wanted = new Set(thing.members.map((i) => classes[i].name));
    const list = make("ul", { className: "thumbnails" });
    for (const montage of montages.filter((each) => wanted.has(each.dataset.class))) {
      for (const tile of montage.querySelectorAll("[data-roi]")) {
        if (!bins.has(tile.dataset.roi.slice(0, -6))) continue;
        const image = tile.querySelector("image").getAttribute("href");
        const words = `${montage.dataset.class}, score ${tile.dataset.score}`;
        list.append(make("li", {}, make("img", { src: image, alt: `${tile.dataset.roi}: ${words}`, title: tile.dataset.roi }), words));
      }
    }
    return list.children.length ? list : make("p", { className: "note" }, "No montage shows an image of these bins.");
  }

  // --- words, and what can be taken away

  function describe(thing, marks) {
    const known = marks.filter((mark) => mark.value !== null);
    const values = known.map((mark) => mark.value);
    const traits = [
      thing.scientific_name && thing.scientific_name !== thing.name && thing.scientific_name,
      thing.aphia_id && `AphiaID ${thing.aphia_id}`,
      thing.group,
      thing.isGroup && `${thing.members.length} classes`,
      thing.living === "no" && "not living",
      thing.harmful === "yes" && "harmful",
      thing.threshold !== null && !thing.isGroup && `threshold ${thresholdOf(thing.number)}`,
    ].filter(Boolean);
    const total = known.reduce((sum, mark) => sum + mark.count, 0);
    const daysOf = (some) => new Set(some.map(({ time }) => time)).size; // series have days in common
    const days = daysOf(known);
    const zeros = days - daysOf(known.filter((mark) => mark.count > 0));
    const range = values.length
      ? `${digits.format(Math.min(...values))} to ${digits.format(Math.max(...values))} objects per mL on ` +
        `${days} ${days === 1 ? "day" : "days"}, ${zeros} of them without any; ` +
        `${thousands.format(total)} objects in all`
      : "not assessed on any day";
    const withData = daysOf(marks.filter((mark) => mark.value !== null || mark.hasData));
    const gaps = [[days ? withData - days : 0, "not assessed"], [daysOf(marks) - withData, "without data"]];
    const blank = gaps.flatMap(([n, why]) => (n ? [`${n} ${why}`] : [])).join(", ");
    return (
      `${thing.name}${traits.length ? ` (${traits.join(", ")})` : ""}: ${range}` +
      (blank ? `; ${blank}, left blank.` : ".") +
      " Upright lines are the interval." +
      (state.axis === "log" && known.some((mark) => mark.count === 0) ? " Triangles: none found, the upper limit." : "") +
      (state.limits && !(thing.members.length && !thing.isGroup && isAsRun(thing.number))
        ? " The scatter between bins is known for single classes at the run's thresholds only: this is the counting error."
        : "")
    );
  }

  const keysInSpan = () =>
    shownSeries()
      .flatMap((i) => keysOf[i])
      .filter((key) => inSpan(data.keys.date[key]))
      .sort((a, b) => a - b);
  const selected = (thing) => keysInSpan().map((key) => markOf(thing, key)).filter(Boolean);

  function sumUp(thing) {
    const marks = selected(thing);
    const [count, mL] = [marks.reduce((sum, mark) => sum + mark.count, 0), marks.reduce((sum, mark) => sum + mark.mL, 0)];
    const [low, high] = limitsOf(count).map((limit) => digits.format(limit / mL));
    element("span-said").textContent = mL
      ? `${thing.name}, ${spanText()}: ${thousands.format(count)} objects in ${digits.format(mL)} mL, ` +
        `${digits.format(count / mL)} per mL (${low} to ${high})`
      : `${thing.name}, ${spanText()}: ${keysInSpan().length ? "not assessed" : "no day of the data"}`;
  }

  function selectionCsv(thing) {
    const groupBy = data.group_by;
    const names = ["date", ...groupBy, thing.isGroup ? "group" : "class", "count", "ml_analyzed_total", "objects_per_ml"];
    names.push("objects_per_ml_low", "objects_per_ml_high", "threshold");
    const used = new Set(thing.members.map(thresholdOf)); // of a group, if all its classes have the same
    const threshold = thing.number === unclassified && !thing.isGroup ? null : used.size === 1 ? [...used][0] : null;
    const rows = selected(thing).map(({ key, count, mL, value, low, high }) => {
      const row = data.first_rows[key];
      return [data.keys.date[key], ...groupBy.map((name) => columns[name][row]), thing.name, count, mL, value, low, high, threshold];
    });
    return asCsv(names, rows);
  }

  const labelsOf = (i) => scores?.labels.get(classes[i].name) ?? [classes[i].name];
  const ownCsv = () => asCsv(["class", "threshold"], [...state.own].flatMap(([i, threshold]) => labelsOf(i).map((label) => [label, threshold])));

  function selectionYaml(thing) {
    const of = series.find((each) => each.name === state.series)?.select ?? {};
    const [from, to] = ends();
    const [start, end] = data.window;
    const select = [
      // At its ends the run's own window stands: it may begin or end within the day, at a bin.
      from && !(start && from <= start) && `  start: "${from}"`,
      to && !(end && to >= end) && `  end: "${to}"`,
      ...Object.entries(of).map(([name, values]) => `  ${name}: ${JSON.stringify(values)}`),
    ].filter(Boolean);
    return [
      "# What the report shows, to lay over the config of the run:",
      "# snakemake --cores 8 --configfile my.yaml selection.yaml",
      `dataset: ${JSON.stringify(data.dataset)}`,
      ...(select.length ? ["select:", ...select] : []),
      "classify:",
      `  threshold: ${state.all}`,
      ...(sameOwn() ? [] : [`  class_thresholds: ${state.own.size ? "class_thresholds.csv" : "null"}`]),
      ...(thing.isGroup || thing.number === unclassified ? [] : ["report:", `  class: ${JSON.stringify(thing.name)}`]),
      "",
    ].join("\n");
  }

  // --- all together

  let spanDrawn = null;
  function draw() {
    const thing = thingOf.get(state.show);
    applyThresholds();
    showControls(thing);
    drawSeries(thing, element("class-chart").clientWidth);
    drawComposition(element("composition").clientWidth);
    sumUp(thing);
    const span = JSON.stringify([state.from, state.to, state.series]);
    if (span !== spanDrawn) {
      drawMap(element("map").clientWidth);
      followSpan();
      spanDrawn = span;
    }
    showPoint(thing);
    element("selection-yaml").textContent = selectionYaml(thing);
    writeAddress();
  }

  let waiting = false;
  function change(what) {
    Object.assign(state, what);
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function showControls(thing) {
    const list = element("class-list");
    if (list.value !== thing.id) {
      // Where nothing fits what is being looked for, the list keeps saying so.
      const offered = [...list.options].map((option) => option.value);
      if (!offered.includes(thing.id) && offered[0] !== "") fillList("");
      list.value = thing.id;
    }
    for (const [id, value] of [["of-series", state.series], ["axis", state.axis], ["limits", state.limits]]) element(id).value = value;
    for (const [id, value] of [["from", state.from], ["to", state.to]]) if (element(id).value !== value) element(id).value = value;
    const single = !thing.isGroup && thing.number !== unclassified;
    const scope = element("threshold-for");
    scope.options[1].disabled = !single;
    scope.options[1].textContent = single ? `${thing.name} alone` : "one class alone";
    if (!single) scope.value = "all";
    const threshold = scope.value === "all" ? state.all : thresholdOf(thing.number);
    element("threshold").value = threshold;
    element("threshold").setAttribute("aria-valuetext", `${threshold}`);
    if (document.activeElement !== element("threshold-number")) element("threshold-number").value = threshold;
    element("as-run").disabled = state.all === data.threshold && sameOwn();
    element("own-thresholds").replaceChildren(
      ...[...state.own].map(([i, own]) => {
        const drop = make("button", { type: "button", title: "Use the threshold of all classes" }, `${classes[i].name} ${own} ×`);
        drop.disabled = !scores;
        drop.setAttribute("aria-label", `${classes[i].name} has a threshold of its own, ${own}: drop it`);
        drop.addEventListener("click", () => {
          state.own.delete(i);
          change({});
        });
        return make("li", {}, drop);
      }),
    );
    element("own-csv").hidden = sameOwn() || !state.own.size;
    element("clear-span").disabled = !state.from && !state.to;
  }

  function fillList(words) {
    const list = element("class-list");
    const fits = (each) => `${each.name} ${each.scientific_name ?? ""} ${each.group ?? ""}`.toLowerCase().includes(words);
    const options = (wanted) =>
      wanted.filter(fits).map((each) => make("option", { value: each.id }, `${each.name} (${thousands.format(each.count)})`));
    const sections = [["Classes", options(things.filter((each) => !each.isGroup))], ["Groups and total", options(things.filter((each) => each.isGroup))]];
    const found = sections.filter(([, some]) => some.length).map(([label, some]) => make("optgroup", { label }, ...some));
    list.replaceChildren(...(found.length ? found : [make("option", { value: "", disabled: true }, "No class or group fits.")]));
  }

  const binsOfPoint = (point) => {
    change({ point: Number(point.dataset.key) });
    requestAnimationFrame(() => requestAnimationFrame(() => element("point").scrollIntoView({ block: "nearest" })));
  };

  function focusPoint(point) {
    if (!point) return;
    for (const each of point.parentNode.children) each.setAttribute("tabindex", each === point ? 0 : -1);
    point.focus({ preventScroll: true });
  }

  function handleChart() {
    const host = element("class-chart");
    const tip = element("tip");
    let from = null;
    const points = () => [...host.querySelectorAll(".points > *")];
    const inside = (event) => event.clientX - host.getBoundingClientRect().left;
    const middle = (point) => {
      const box = point.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    };
    // The nearest point within 30 pixels.
    const nearest = (event) => {
      let [found, distance] = [null, 30];
      for (const point of points()) {
        const [x, y] = middle(point);
        const away = Math.hypot(event.clientX - x, event.clientY - y);
        if (away < distance) [found, distance] = [point, away];
      }
      return found;
    };
    const span = (event) => {
      const time = timeScale(first, last, host.clientWidth);
      const days = [time.dayAt(from), time.dayAt(inside(event))].sort((a, b) => a - b).map(isoDay);
      return { from: days[0], to: days[1] };
    };
    host.addEventListener("pointerdown", (event) => {
      if (event.button === 0) from = inside(event);
    });
    host.addEventListener("pointermove", (event) => {
      if (from !== null && Math.abs(inside(event) - from) > 4) {
        host.setPointerCapture(event.pointerId);
        change(span(event));
      }
      const point = from === null ? nearest(event) : null;
      tip.hidden = !point;
      if (!point) return;
      tip.textContent = point.getAttribute("aria-label");
      const [x, y] = middle(point);
      const box = host.getBoundingClientRect();
      tip.style.left = `${Math.min(Math.max(x - box.left - 120, 0), Math.max(box.width - 240, 0))}px`;
      tip.style.top = `${y - box.top + 14}px`;
    });
    host.addEventListener("pointerleave", () => (tip.hidden = true));
    host.addEventListener("pointercancel", () => (from = null));
    host.addEventListener("pointerup", (event) => {
      const start = from;
      from = null;
      if (start === null || Math.abs(inside(event) - start) > 4) return;
      const point = nearest(event);
      if (point) binsOfPoint(point);
    });
    host.addEventListener("click", (event) => {
      // From a screen reader: there is no pointer.
      if (event.detail === 0 && event.target.dataset.key) binsOfPoint(event.target);
    });
    host.addEventListener("keydown", (event) => {
      const at = event.target.dataset.key === undefined ? -1 : points().indexOf(event.target);
      if (at < 0) return;
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -at, End: points().length - 1 - at }[event.key];
      if (step !== undefined) focusPoint(points()[at + step]);
      else if (event.key === "Enter" || event.key === " ") binsOfPoint(event.target);
      else return;
      event.preventDefault();
    });
  }

  function handleControls() {
    const ofSeries = element("of-series");
    if (series.length <= data.series_colours.length) ofSeries.append(make("option", { value: "" }, series.length > 1 ? "all" : (series[0]?.name ?? "none")));
    if (series.length > 1) for (const { name } of series) ofSeries.append(make("option", { value: name }, name));
    const list = element("class-list");
    element("class-filter").addEventListener("input", (event) => {
      fillList(event.target.value.trim().toLowerCase());
      list.value = state.show;
      if (!list.value && list.options[0].value) change({ show: list.options[0].value });
    });
    list.addEventListener("change", () => {
      const thing = thingOf.get(list.value);
      element("threshold-for").value = !thing.isGroup && state.own.has(thing.number) ? "one" : "all";
      for (const montage of document.querySelectorAll(".montage")) {
        if (!thing.isGroup) montage.parentNode.open = montage.dataset.class === thing.name;
      }
      change({ show: list.value });
    });
    for (const [id, name] of [["of-series", "series"], ["axis", "axis"], ["limits", "limits"], ["from", "from"], ["to", "to"]]) {
      element(id).addEventListener("change", (event) => change({ [name]: event.target.value }));
    }
    element("clear-span").addEventListener("click", () => change({ from: "", to: "" }));
    const set = (value) => {
      if (value === "" || !(Number(value) >= 0 && Number(value) <= 1)) return;
      const threshold = snapped(Number(value));
      if (element("threshold-for").value === "all") return change({ all: threshold });
      state.own.set(thingOf.get(state.show).number, threshold);
      change({});
    };
    element("threshold").addEventListener("input", (event) => set(event.target.value));
    element("threshold-number").addEventListener("input", (event) => set(event.target.value));
    element("threshold-number").addEventListener("blur", () => change({}));
    element("threshold-for").addEventListener("change", () => change({}));
    element("as-run").addEventListener("click", () => change({ all: data.threshold, own: new Map(asRun) }));
    if (scores?.step) {
      element("threshold").step = Math.max(scores.step, 0.01);
      element("threshold-number").step = scores.step;
    }
    element("threshold-note").textContent = !scores
      ? `Thresholds cannot be moved: ${data.fixed}, and the page has the run's counts only.`
      : `Each count is that of a run with these thresholds. ${scores.step ? `This page can count in steps of ${scores.step}.` : "Any threshold can be entered."}`;
    for (const id of ["threshold", "threshold-number", "threshold-for"]) element(id).disabled = !scores;
    const thing = () => thingOf.get(state.show);
    element("selection-csv").addEventListener("click", () => save(selectionCsv(thing()), `${data.dataset}_selection.csv`));
    element("selection-config").addEventListener("click", () => save(selectionYaml(thing()), "selection.yaml"));
    element("own-csv").addEventListener("click", () => save(ownCsv(), "class_thresholds.csv"));
  }

  if (!classes.length) {
    element("class-said").textContent = "There is no used bin, and so no class to show.";
    element("explore").inert = true;
    return;
  }
  handleControls();
  fillList("");
  handleChart();
  readAddress();
  if (state.own.has(thingOf.get(state.show).number)) element("threshold-for").value = "one";
  draw();
  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#?")) {
      readAddress();
      change({});
    }
  });
  let width = element("class-chart").clientWidth;
  new ResizeObserver(() => {
    if (element("class-chart").clientWidth === width) return;
    width = element("class-chart").clientWidth;
    spanDrawn = null;
    change({});
  }).observe(element("class-chart"));
}
