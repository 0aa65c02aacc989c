// --- the page: what a reader sees first is drawn first, and the figures when nothing else waits

async function drawAll() {
  const theme = matchMedia("(prefers-color-scheme: dark)");
  const dark = (yes) => {
    document.documentElement.classList.toggle("dark", yes);
    document.documentElement.classList.toggle("light", !yes);
    if (element("theme")) element("theme").textContent = yes ? "Light" : "Dark";
  };
  dark(theme.matches);
  theme.addEventListener("change", (event) => dark(event.matches));
  element("theme")?.addEventListener("click", () => dark(!document.documentElement.classList.contains("dark")));
  // Links within the page leave the address alone: it holds the selection.
  for (const link of document.querySelectorAll("a[href^='#']")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const target = element(link.getAttribute("href").slice(1));
      target.scrollIntoView();
      target.focus({ preventScroll: true });
    });
  }
  if (element("explore")) await prepareExplorer();
  document.documentElement.dataset.state = "ready";
  await breath();
  const open = prepareTabs();
  const first = document.querySelector("[role=tab]");
  if (first) await open(first);
  else for (const each of document.querySelectorAll("[data-table]")) await drawTable(each);
  const figures = [...document.querySelectorAll("[data-figure]")];
  if (figures.length) await library("vega");
  for (const figure of figures) {
    await breath();
    const spec = JSON.parse(await unpack(`figure-${figure.dataset.figure}`));
    const actions = { export: true, source: false, compiled: false, editor: false };
    await window.vegaEmbed(figure, spec, { actions, renderer: "svg" });
    figure.querySelector("summary")?.setAttribute("aria-label", "Save this figure");
  }
}

drawAll()
  .then(() => (document.documentElement.dataset.state = "whole"))
  .catch((error) => {
    element("trouble").hidden = false;
    element("trouble").textContent = `This page could not be drawn whole: ${error.message}. It needs a browser of 2023 or later.`;
    document.documentElement.dataset.state = "failed";
    console.error(error);
  });
