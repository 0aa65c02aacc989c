// Draws the page. Its data and libraries are in it, packed: gzip in base64, which the browser unpacks. Text that came
// with the data is only ever set as text, or escaped: labels may hold anything.
(() => {
  "use strict";
  // Okabe and Ito's colours, which colour-blind readers can tell apart.
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C6D1F"];
  const DAY = 24 * 3600 * 1000;
  const element = (id) => document.getElementById(id);
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false });
  const thousands = new Intl.NumberFormat("en");

  function make(tag, attributes = {}, text = "") {
    const made = Object.assign(document.createElement(tag), attributes);
    made.textContent = text;
    return made;
  }

  async function unpack(name) {
    const packed = Uint8Array.from(atob(element(`pack-${name}`).textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  async function library(name) {
    const url = URL.createObjectURL(new Blob([await unpack(name)], { type: "text/javascript" }));
    return import(url).finally(() => URL.revokeObjectURL(url));
  }

  const tables = {}; // name to its columns, as unpacked
  async function columnsOf(name) {
    if (!tables[name]) {
      tables[name] = JSON.parse(await unpack(name));
      for (const column of tables[name]) {
        if (column.codes) column.values = column.codes.map((code) => column.values[code]);
      }
    }
    return tables[name];
  }

  // --- tables

  const isNumber = (column) => column.type === "number" || column.type === "integer";

  function asCsv(columns, rows) {
    // What spreadsheets run as a formula, after the other separator that they know too, is made text by an apostrophe.
    const formula = /(^|;)(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;
    const cell = (value) => {
      const text = typeof value === "string" ? value.replace(formula, "$1$2'") : String(value ?? "");
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [columns.map((column) => column.name), ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
  }

  function save(text, file) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    make("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  async function drawTable(DataTable, place) {
    const columns = await columnsOf(place.dataset.table);
    const rows = (columns[0]?.values ?? []).map((_, row) => columns.map((column) => column.values[row]));
    const shown = make("table", { className: "display compact" });
    shown.setAttribute("aria-label", place.dataset.title);
    const head = shown.createTHead().insertRow();
    for (const column of columns) {
      const cell = make("th", { title: column.about, scope: "col" }, column.name);
      if (column.unit) cell.append(make("span", { className: "unit" }, column.unit));
      head.append(cell);
    }
    place.replaceChildren(shown);
    const escape = DataTable.util.escapeHtml;
    const download = make("button", { className: "download", type: "button" }, "Download these rows as CSV");
    const table = new DataTable(shown, {
      data: rows,
      autoWidth: false,
      order: [],
      pageLength: 10,
      lengthMenu: [10, 25, 100, 1000],
      columnControl: { target: 1, content: ["search"] },
      columns: columns.map((column) => ({
        type: isNumber(column) ? "num" : "string",
        className: column.name === "reason" ? "long" : "",
        render: (value, use) => {
          if (value === null) return "";
          if (isNumber(column)) return use === "display" && column.type === "number" ? digits.format(value) : value;
          return use === "display" || use === "filter" ? escape(value) : value;
        },
      })),
      language: { emptyTable: "There is no row.", search: "Search all columns:" },
      layout: { topStart: ["pageLength", () => download], topEnd: "search", bottomStart: "info", bottomEnd: "paging" },
    });
    [...shown.tHead.rows[1].cells].forEach((cell, i) => {
      for (const field of cell.querySelectorAll("input, select")) field.setAttribute("aria-label", `Search ${columns[i].name}`);
    });
    download.addEventListener("click", () => {
      save(asCsv(columns, table.rows({ search: "applied", order: "applied" }).data().toArray()), place.dataset.file);
    });
  }

  // --- one class over time

  const embedding = { actions: { export: true, source: false, compiled: false, editor: false }, renderer: "svg" };

  function specification(marks, groups, log, description) {
    const positive = marks.flatMap((mark) => [mark.low, mark.value, mark.high]).filter((number) => number > 0);
    const scale = log && positive.length ? { type: "log", domainMin: Math.min(...positive) / 1.5 } : { zero: true, nice: true };
    const y = { type: "quantitative", scale, title: "objects/mL" };
    const tooltip = ["day", "group", "count", "mL", "value", "low", "high"].map((field) => ({
      field,
      title: { value: "objects/mL", low: "lower limit", high: "upper limit", mL: "volume (mL)", day: "UTC day" }[field] ?? field,
    }));
    const few = marks.at(-1).time - marks[0].time < 14 * DAY;
    const axis = { labelOverlap: true, format: "%Y-%m-%d", ...(few ? { tickCount: "day" } : {}) };
    const found = log ? [{ filter: "datum.count !== 0" }] : [];
    return {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      width: "container",
      height: 320,
      autosize: { type: "fit-x", contains: "padding" },
      description,
      data: { values: marks },
      encoding: {
        x: { field: "time", type: "temporal", scale: { type: "utc" }, title: "UTC day", axis },
        color: {
          field: "group",
          type: "nominal",
          scale: { domain: groups, range: COLOURS },
          legend: groups.length > 1 ? { title: null, orient: "top", symbolOpacity: 1, labelLimit: 300 } : null,
        },
      },
      layer: [
        {
          transform: found,
          mark: { type: "rule", opacity: 0.55, clip: true },
          encoding: { y: { ...y, field: "low" }, y2: { field: "high" } },
        },
        {
          // A day without data is a gap, and so is a zero where the axis is logarithmic.
          transform: log ? [{ calculate: "datum.value > 0 ? datum.value : null", as: "value" }] : [],
          mark: { type: "line", strokeWidth: 1.2, invalid: "break-paths-filter-domains" },
          encoding: { y: { ...y, field: "value" } },
        },
        {
          transform: [{ filter: "datum.value !== null" }, ...found],
          mark: { type: "point", filled: true, size: 28, opacity: 1 },
          encoding: { y: { ...y, field: "value" }, tooltip },
        },
        ...(log
          ? [
              {
                transform: [{ filter: "datum.count === 0" }],
                mark: { type: "point", shape: "triangle-down", size: 30 },
                encoding: { y: { ...y, field: "high" }, tooltip },
              },
            ]
          : []),
      ],
      config: { axis: { gridColor: "#e3e7e9", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" } },
    };
  }

  async function preparePicker() {
    const { group_by, classes } = JSON.parse(await unpack("picker"));
    const columns = Object.fromEntries((await columnsOf("abundance")).map((column) => [column.name, column]));
    const rowsOf = new Map(classes.map((each) => [each.name, []]));
    columns.class.values.forEach((name, row) => rowsOf.get(name).push(row));
    const groupOf = (row) =>
      group_by
        .map((name) => {
          const value = columns[name].values[row];
          return value === null || value === "" ? `no ${name}` : `${value}${columns[name].unit && " " + columns[name].unit}`;
        })
        .join(", ") || "all bins";
    const ofRow = columns.class.values.map((_, row) => groupOf(row));
    const groups = [...new Set(ofRow)].sort();
    const times = columns.date.values.map(Date.parse);
    const first = times.reduce((a, b) => Math.min(a, b), Infinity);
    const last = times.reduce((a, b) => Math.max(a, b), -Infinity);

    const list = element("class-list");
    const filter = element("class-filter");
    const ofGroup = element("of-group");
    if (groups.length <= COLOURS.length) ofGroup.append(make("option", { value: "" }, groups.length > 1 ? "all" : groups[0] ?? "none"));
    if (groups.length > 1) for (const group of groups) ofGroup.append(make("option", { value: group }, group));

    function fill() {
      const words = filter.value.trim().toLowerCase();
      const kept = list.value;
      const fitting = classes.filter((each) =>
        `${each.name} ${each.scientific_name} ${each.group}`.toLowerCase().includes(words),
      );
      list.replaceChildren(
        ...fitting.map((each) => make("option", { value: each.name }, `${each.name} (${thousands.format(each.count)})`)),
      );
      list.value = fitting.some((each) => each.name === kept) ? kept : fitting[0]?.name;
      if (list.value && list.value !== kept) draw();
    }

    let drawn = 0;
    async function draw() {
      const turn = ++drawn;
      const name = list.value;
      const chosen = ofGroup.value ? [ofGroup.value] : groups;
      const suffix = element("limits").value;
      const marks = [];
      for (const group of chosen) {
        const rows = new Map(rowsOf.get(name).filter((row) => ofRow[row] === group).map((row) => [times[row], row]));
        for (let time = first; time <= last; time += DAY) {
          const row = rows.get(time);
          const of = (column) => (row === undefined ? null : columns[column].values[row]);
          marks.push({
            time,
            day: new Date(time).toISOString().slice(0, 10),
            group,
            count: of("count"),
            mL: of("ml_analyzed_total"),
            value: of("objects_per_ml"),
            low: of(`objects_per_ml_low${suffix}`),
            high: of(`objects_per_ml_high${suffix}`),
          });
        }
      }
      const log = element("axis").value === "log";
      const said = describe(classes.find((each) => each.name === name), marks, chosen, log);
      const result = await window.vegaEmbed("#class-chart", specification(marks, chosen, log, said), embedding);
      if (turn !== drawn) return;
      element("class-said").textContent = said;
      element("class-chart").dataset.drawn = name;
      return result;
    }

    filter.addEventListener("input", fill);
    for (const id of ["class-list", "of-group", "axis", "limits"]) element(id).addEventListener("change", draw);
    if (!classes.length) {
      element("class-said").textContent = "There is no used bin, and so no class to show.";
      return;
    }
    // To begin with, what there is most of among what lives.
    const living = classes.filter((each) => each.living === "yes");
    const most = (living.length ? living : classes).reduce((a, b) => (b.count > a.count ? b : a));
    fill();
    list.value = most.name;
    await draw();
  }

  function describe(of, marks, groups, log) {
    const known = marks.filter((mark) => mark.value !== null);
    const values = known.map((mark) => mark.value);
    const traits = [
      of.scientific_name && of.scientific_name !== of.name && of.scientific_name,
      of.aphia_id && `AphiaID ${of.aphia_id}`,
      of.group,
      of.living === "no" && "not living",
      of.harmful === "yes" && "harmful",
      of.threshold !== null && `threshold ${of.threshold}`,
    ].filter(Boolean);
    const total = known.reduce((sum, mark) => sum + mark.count, 0);
    const zeros = known.filter((mark) => mark.count === 0).length;
    const range = values.length
      ? `${digits.format(Math.min(...values))} to ${digits.format(Math.max(...values))} objects/mL on ${known.length} ` +
        `${groups.length > 1 ? "days of all groups together" : "days"}, ${zeros} of them without any; ` +
        `${thousands.format(total)} objects in all`
      : "not assessed on any day";
    const gaps = marks.length - known.length;
    return (
      `${of.name}${traits.length ? ` (${traits.join(", ")})` : ""}: ${range}` +
      (gaps ? `; ${gaps} without data, left blank.` : ".") +
      " Upright lines are the interval." +
      (log && values.includes(0) ? " Triangles: none found, the upper limit." : "")
    );
  }

  // --- the page, from top to bottom, with a breath between its parts

  const breath = () => new Promise((resolve) => setTimeout(resolve));

  async function drawAll() {
    if (element("pack-vega")) {
      await library("vega");
      await preparePicker();
    }
    const { default: DataTable } = await library("datatables");
    for (const place of document.querySelectorAll("[data-table]")) {
      await breath();
      await drawTable(DataTable, place);
    }
    for (const place of document.querySelectorAll("[data-figure]")) {
      await breath();
      const spec = JSON.parse(await unpack(`figure-${place.dataset.figure}`));
      await window.vegaEmbed(place, spec, embedding);
    }
  }

  drawAll()
    .then(() => (document.documentElement.dataset.state = "ready"))
    .catch((error) => {
      element("trouble").hidden = false;
      element("trouble").textContent = `This page could not be drawn whole: ${error.message}. It needs a browser of 2023 or later.`;
      document.documentElement.dataset.state = "failed";
      console.error(error);
    });
})();
