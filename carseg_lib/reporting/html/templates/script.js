"use strict";

// A click on a heading sorts its table: numbers as numbers, texts as texts, empty cells last.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const keys = new Map([...table.tBodies[0].rows].map((row) => [row, key(row.cells[column])]));
      const numeric = [...keys.values()].every((value) => value === "" || !Number.isNaN(Number(value)));
      const rows = [...keys.keys()].sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true });
        return descending ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

function key(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim().replace(/(\d),(?=\d{3})/g, "$1");
  return text === "–" ? "" : text;
}

// Figures enlarge to their own size, at least to the window's.
const dialog = document.getElementById("enlarged");
const scroller = dialog.querySelector(".scroller");
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    scroller.replaceChildren(button.firstElementChild.cloneNode());
    dialog.showModal();
  });
}
dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("close", () => scroller.replaceChildren());

// What a link names is unfolded, with all that it lies in, also where a browser does not do so by itself.
function reveal() {
  let target;
  try {
    target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return; // a broken link
  }
  if (!target) return;
  const own = target.querySelector(":scope > details.fold");
  if (own) own.open = true;
  let folded = false;
  for (let part = target.parentElement; part; part = part.parentElement) {
    if (part.tagName === "DETAILS" && !part.open) folded = part.open = true;
  }
  if (own || folded) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (link && link.hash === location.hash) reveal(); // the same link again: the address does not change
});
reveal();

// The contents name the section that is read; in a narrow window they are folded until they are asked for.
const menu = document.querySelector(".menu");
if (menu) {
  document.documentElement.classList.add("scripted");
  const narrow = matchMedia("(max-width: 68rem)");
  const fold = () => (menu.open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
  const links = new Map([...menu.querySelectorAll('a[href^="#"]')].map((link) => [link.hash.slice(1), link]));
  menu.addEventListener("click", (event) => {
    if (narrow.matches && event.target.closest("a")) menu.open = false;
  });
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) links.get(target.id)?.setAttribute("aria-current", "true");
        else links.get(target.id)?.removeAttribute("aria-current");
      }
    },
    { rootMargin: "-20% 0px -79% 0px" }, // one line of the window, below its top
  );
  document.querySelectorAll("main > section").forEach((section) => watch.observe(section));
}

// A print is a summary; this button prints every section, with all parts unfolded.
document.querySelector(".print-all")?.addEventListener("click", () => {
  document.body.classList.add("whole");
  document.querySelectorAll("details").forEach((part) => (part.open = true));
  print();
});
addEventListener("afterprint", () => document.body.classList.remove("whole"));

