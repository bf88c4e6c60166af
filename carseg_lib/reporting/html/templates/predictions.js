// The photos of the section "Predictions": filters, thumbnails, and a large view that a link opens (#photo=name).
{
  const found = document.getElementById("predictions-data");
  if (found) {
    const pictures = JSON.parse(document.getElementById("predictions-pictures").textContent);
    showPredictions(JSON.parse(found.textContent), pictures);
  }
}

function showPredictions(data, pictures) {
  const STEP = 24; // thumbnails that "Show more" adds
  const NO_CAR = "no car found";
  const columns = Object.entries(data.photos);
  const levelled = data.facts.filter((fact) => fact.levels);
  const photos = pictures.map((picture, k) => {
    const photo = Object.fromEntries(columns.map(([name, values]) => [name, values[k]]));
    const known = levelled.map((fact) => fact.levels[fact.values[k]] ?? "");
    const wrong = photo.truth !== photo.predicted;
    const elsewhere = photo.truth >= 0 && photo.predicted >= 0 && photo.box_iou < data.wrong_box;
    return { ...photo, k, picture, wrong, elsewhere, text: [photo.id, ...known].join(" ").toLowerCase() };
  });
  // What is known of a photo: it is asked for one by one, as there are tens of facts of thousands of photos.
  const factsOf = ({ k }) => data.facts
    .map((fact) => ({ ...fact, value: fact.levels ? fact.levels[fact.values[k]] : fact.values[k] }))
    .filter((fact) => fact.value !== undefined && fact.value !== null);
  const byName = new Map(photos.map((photo) => [photo.id, photo]));
  const type = (k) => (k < 0 ? NO_CAR : data.types[k]);
  const label = (k) => (k < 0 ? "no car" : data.types[k]);

  const form = document.getElementById("filters");
  const gallery = document.getElementById("gallery");
  const more = document.getElementById("more");
  const cells = [...document.querySelectorAll(".matrix button")];
  const controls = form.elements;
  let chosen = []; // photos that pass the filters, in order
  let drawn = 0; // of them, those with a thumbnail

  form.hidden = false;
  data.types.forEach((name, k) => {
    controls.truth.append(new Option(name, k));
    controls.predicted.append(new Option(name, k));
  });
  controls.predicted.append(new Option(NO_CAR, -1));
  if (data.splits.length > data.with_car) controls.truth.append(new Option("no car", -1));
  controls.split.value = Math.max(0, data.splits.indexOf(data.main));

  const place = (name) => (name === NO_CAR ? -1 : data.types.indexOf(name));
  for (const cell of cells) {
    cell.addEventListener("click", () => {
      const pressed = cell.getAttribute("aria-pressed") === "true";
      controls.truth.value = pressed ? "" : place(cell.dataset.truth);
      controls.predicted.value = pressed ? "" : place(cell.dataset.predicted);
      controls.wrong.checked = pressed;
      filter();
    });
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    clear();
    filter();
  });
  more.addEventListener("click", () => {
    const first = drawn;
    drawMore(STEP);
    gallery.children[first].querySelector("a").focus(); // the keyboard goes on where the new ones begin
  });

  function clear() {
    for (const name of ["truth", "predicted", "from", "to", "text"]) controls[name].value = "";
    controls.wrong.checked = controls.elsewhere.checked = false;
  }

  function filter() {
    const is = (name, value) => controls[name].value === "" || Number(controls[name].value) === value;
    const from = Number(controls.from.value || 0);
    const to = Number(controls.to.value || 1);
    const text = controls.text.value.trim().toLowerCase();
    chosen = photos.filter(
      (photo) =>
        is("split", photo.split) &&
        is("truth", photo.truth) &&
        is("predicted", photo.predicted) &&
        (photo.score ?? 0) >= from &&
        (photo.score ?? 0) <= to &&
        (!controls.wrong.checked || photo.wrong) &&
        (!controls.elsewhere.checked || photo.elsewhere) &&
        photo.text.includes(text),
    );
    const by = {
      sure: (a, b) => (b.score ?? -1) - (a.score ?? -1),
      unsure: (a, b) => (a.score ?? -1) - (b.score ?? -1),
      mask: (a, b) => (a.mask_iou ?? 2) - (b.mask_iou ?? 2),
      box: (a, b) => (a.box_iou ?? 2) - (b.box_iou ?? 2),
      name: () => 0,
    }[controls.sort.value];
    chosen.sort((a, b) => by(a, b) || a.id.localeCompare(b.id, "en", { numeric: true }));
    const carless = controls.split.value >= data.with_car;
    const split = data.splits[controls.split.value];
    document.getElementById("wrong-only").textContent = carless ? "False alarms only" : "Misclassified only";
    for (const matrix of document.querySelectorAll(".matrix")) matrix.hidden = carless || matrix.dataset.split !== split;
    for (const cell of cells) {
      const same = is("truth", place(cell.dataset.truth)) && is("predicted", place(cell.dataset.predicted));
      const both = controls.truth.value !== "" && controls.predicted.value !== "";
      cell.setAttribute("aria-pressed", String(both && same));
    }
    document.getElementById("found").textContent = `${chosen.length.toLocaleString("en")} of ${photos
      .filter((photo) => is("split", photo.split))
      .length.toLocaleString("en")} ${carless ? `photos without a car (${split})` : `${split} photos`}`;
    gallery.replaceChildren();
    drawn = 0;
    drawMore(STEP);
  }

  function drawMore(count) {
    const next = chosen.slice(drawn, drawn + count);
    gallery.append(...next.map(thumbnail));
    drawn += next.length;
    more.hidden = drawn >= chosen.length;
    more.textContent = `Show ${Math.min(STEP, chosen.length - drawn)} more of ${(chosen.length - drawn).toLocaleString("en")}`;
  }

  function thumbnail(photo) {
    const link = html("a", { href: address(photo) }, [drawing(photo), verdict(photo), html("span", { class: "name" }, photo.id)]);
    return html("li", {}, [link]);
  }

  function verdict(photo) {
    const said = photo.predicted < 0 ? NO_CAR : `${type(photo.predicted)} ${photo.score.toFixed(2)}`;
    const words = [html("b", { class: photo.wrong ? "no" : "yes" }, `${photo.wrong ? "✗" : "✓"} ${said}`)];
    if (photo.wrong) words.push(`, labelled ${label(photo.truth)}`);
    if (photo.elsewhere) words.push(html("span", { class: "no" }, " · wrong car or box"));
    return html("span", { class: "verdict-of-photo" }, words);
  }

  const address = (photo) => "#photo=" + encodeURIComponent(photo.id);

  // The photo with its outlines: the labelled one dashed, the predicted one solid, each on a dark line to be seen anywhere.
  function drawing(photo, large = false) {
    const [width, height] = photo.drawing;
    const alt = `Photo ${photo.truth < 0 ? "without a car" : "of " + type(photo.truth)}, ${photo.predicted < 0 ? NO_CAR : "predicted as " + type(photo.predicted)}`;
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt });
    if (photo.picture) picture.append(svg("image", { href: photo.picture, width, height, preserveAspectRatio: "none" }));
    else picture.append(svg("text", { x: width / 2, y: height / 2, class: "missing" }, "no picture"));
    const boxes = large ? regions(photo) : [];
    boxes.forEach(({ box: [x1, y1, x2, y2] }, k) => {
      const number = svg("text", { x: x1 + 3, y: y1 + 11, class: "number" }, String(k + 1));
      const frame = svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
      picture.append(svg("g", { class: "boxes" }, [frame, number]));
    });
    const lines = [["labelled others", large && photo.others], ["labelled", photo.labelled], ["predicted", photo.predicted_mask]];
    for (const [name, d] of lines) {
      if (d) picture.append(svg("g", { class: name }, [svg("path", { d, class: "casing" }), svg("path", { d })]));
    }
    return picture;
  }

  // Detections of one box are one region, which several types may claim.
  function regions(photo) {
    const found = new Map();
    for (const [kind, score, ...box] of photo.boxes) {
      const region = found.get(box.join()) ?? { box, types: [] };
      region.types.push(`${type(kind)} ${score.toFixed(2)}`);
      found.set(box.join(), region);
    }
    return [...found.values()];
  }

  const view = document.getElementById("photo");
  const part = (name) => view.querySelector(name);
  let current = null;

  function open(photo) {
    current = photo;
    if (!chosen.includes(photo)) {
      clear();
      controls.split.value = photo.split;
      filter();
    }
    const k = chosen.indexOf(photo);
    part(".view").replaceChildren(drawing(photo, true));
    part("#photo-title").replaceChildren(verdict(photo));
    part(".name").textContent = `${photo.id} · ${data.splits[photo.split]} · ${photo.size.join(" × ")} pixels`;
    part(".position").textContent = `${(k + 1).toLocaleString("en")} of ${chosen.length.toLocaleString("en")}`;
    part(".link").href = address(photo);
    part(".previous").disabled = k === 0;
    part(".next").disabled = k === chosen.length - 1;
    const found = regions(photo);
    part(".detections").replaceChildren(...found.map((region) => html("li", {}, region.types.join(", "))));
    const overlaps = [["box", photo.box_iou], ["mask", photo.mask_iou]].filter(([, value]) => value !== null);
    part(".overlaps").textContent = found.length
      ? overlaps.length && `Overlap of label and prediction (IoU): ${overlaps.map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ")}.`
      : "None.";
    part(".facts").replaceChildren(...factsOf(photo).flatMap((fact) => [
      html("dt", {}, fact.name.replaceAll("_", " ")),
      html("dd", {}, [inWords(fact.value), ...(fact.meaning ? [html("span", { class: "meaning" }, fact.meaning)] : [])]),
    ]));
    if (!view.open) view.showModal();
    part(".side").scrollTop = 0;
    part(".parts").scrollTop = 0;
  }

  function step(by) {
    const next = chosen[chosen.indexOf(current) + by];
    if (!next) return;
    history.replaceState(null, "", address(next)); // the way back leads to the page, not through every photo
    open(next);
  }

  // The photos without a car that are called one, from a link of the section on them.
  function falseAlarms() {
    const sets = data.splits.map((_, k) => k).filter((k) => k >= data.with_car);
    const alarms = (set) => photos.some((photo) => photo.split === set && photo.wrong);
    if (!sets.length) return;
    clear();
    controls.split.value = sets.find(alarms) ?? sets[0];
    controls.wrong.checked = true;
    filter();
    form.scrollIntoView();
  }

  // What the address names is open; no other address leaves the view open.
  function follow() {
    const [, name] = location.hash.match(/^#photo=(.+)$/) ?? [];
    let photo;
    try {
      photo = name && byName.get(decodeURIComponent(name));
    } catch {
      photo = undefined; // no name of a photo: a broken link
    }
    if (photo) open(photo);
    else if (view.open) view.close();
    if (location.hash === "#false-alarms") falseAlarms();
  }

  part(".previous").addEventListener("click", () => step(-1));
  part(".next").addEventListener("click", () => step(1));
  part(".close").addEventListener("click", () => view.close());
  view.addEventListener("click", (event) => {
    if (event.target === view) view.close();
  });
  view.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });
  for (const tick of view.querySelectorAll(".ticks input")) {
    tick.addEventListener("change", () => part(".view").classList.toggle("without-" + tick.value, !tick.checked));
  }
  view.addEventListener("close", () => {
    if (/^#photo=/.test(location.hash)) history.replaceState(null, "", "#predictions");
    const k = chosen.indexOf(current);
    if (k >= drawn) drawMore(k + 1 - drawn);
    gallery.children[k]?.querySelector("a").focus();
    current = null;
  });
  addEventListener("hashchange", follow);
  filter();
  follow();
}

// A number without an exponent: 0.0000432, not 4.32e-5; a text as it is.
function inWords(value) {
  return typeof value === "number" ? value.toLocaleString("en", { maximumSignificantDigits: 3, useGrouping: false }) : value;
}

function fill(element, attributes, content) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...(Array.isArray(content) ? content : [content]));
  return element;
}

function html(name, attributes, content = []) {
  return fill(document.createElement(name), attributes, content);
}

function svg(name, attributes, content = []) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, content);
}
