
// Two runs compared: which pair is shown, and the photos on which the two disagree. #first&second names two runs.
{
  const found = document.getElementById("compare-data");
  if (found) compareRuns(JSON.parse(found.textContent), JSON.parse(document.getElementById("compare-pictures").textContent));
}

function compareRuns(data, pictures) {
  const STEP = 24;
  const form = document.getElementById("pair");
  const filters = document.getElementById("filters").elements;
  const gallery = document.getElementById("gallery");
  const more = document.getElementById("more");
  const { id, split, truth, answers, scores } = data.photos;
  let chosen = [];
  let drawn = 0;

  const runs = () => {
    const places = [form.elements.first, form.elements.second].map((select) => Number(select.value));
    return places.sort((a, b) => a - b);
  };

  function show() {
    const [first, second] = runs();
    document.getElementById("same").hidden = first !== second;
    const common = id.some((_, k) => answers[k][first] !== null && answers[k][second] !== null);
    document.getElementById("photos").hidden = first === second || !common;
    for (const pair of document.querySelectorAll(".pair")) {
      pair.hidden = Number(pair.dataset.first) !== first || Number(pair.dataset.second) !== second;
    }
    if (first !== second && common) filter();
  }

  function filter() {
    const [first, second] = runs();
    const wanted = filters.right.value;
    chosen = id
      .map((_, k) => k)
      .filter((k) => {
        const [a, b] = [answers[k][first], answers[k][second]];
        if (a === null || b === null || a === b) return false;
        if (filters.split.value && split[k] !== filters.split.value) return false;
        const right = a === truth[k] ? "first" : b === truth[k] ? "second" : "none";
        return !wanted || right === wanted;
      });
    document.getElementById("found").textContent = `${chosen.length.toLocaleString("en")} photos on which ${data.runs[first]} and ${data.runs[second]} disagree`;
    gallery.replaceChildren();
    drawn = 0;
    draw();
  }

  function draw() {
    const next = chosen.slice(drawn, drawn + STEP);
    gallery.append(...next.map(card));
    drawn += next.length;
    more.hidden = drawn >= chosen.length;
    more.textContent = `Show ${Math.min(STEP, chosen.length - drawn)} more of ${(chosen.length - drawn).toLocaleString("en")}`;
  }

  function card(k) {
    const picture = svg("svg", { viewBox: "0 0 3 2", role: "img", "aria-label": `Photo of ${data.types[truth[k]]}` });
    if (pictures[k]) picture.append(svg("image", { href: pictures[k], width: 3, height: 2 }));
    else picture.append(svg("text", { x: 1.5, y: 1, class: "missing small-units" }, "no picture"));
    const said = runs().map((run, place) => {
      const answer = answers[k][run];
      const right = answer === truth[k];
      const words = answer < 0 ? "no car found" : `${data.types[answer]} ${(scores[k][run] ?? 0).toFixed(2)}`;
      return html("span", { class: "of-run" }, [
        html("span", { class: "sign-of " + (place ? "second" : "first") }),
        html("b", { class: right ? "yes" : "no" }, `${right ? "✓" : "✗"} ${words} `),
        html("a", { href: `${encodeURIComponent(data.runs[run])}/index.html#photo=${encodeURIComponent(id[k])}` }, `in ${data.runs[run]}`),
      ]);
    });
    const label = html("span", { class: "name" }, `${id[k]} · ${split[k]} · labelled ${data.types[truth[k]]}`);
    return html("li", {}, [html("div", { class: "card" }, [picture, ...said, label])]);
  }

  // The address names two runs, in any order; what it does not name stays as it is.
  function follow() {
    const names = location.hash.slice(1).split("&").map((name) => {
      try {
        return decodeURIComponent(name);
      } catch {
        return ""; // a broken link
      }
    });
    const places = names.map((name) => data.runs.indexOf(name)).filter((place) => place >= 0);
    if (places.length === 2) [form.elements.first.value, form.elements.second.value] = places;
    show();
  }

  [form.elements.first.value, form.elements.second.value] = data.pair;
  form.addEventListener("input", () => {
    history.replaceState(null, "", "#" + runs().map((run) => encodeURIComponent(data.runs[run])).join("&"));
    show();
  });
  document.getElementById("filters").addEventListener("input", filter);
  for (const one of [form, document.getElementById("filters")]) one.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const first = drawn;
    draw();
    gallery.children[first].querySelector("a").focus();
  });
  addEventListener("hashchange", follow);
  follow();
}
