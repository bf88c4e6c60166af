
// The page of make predict: which photos are shown.
{
  const form = document.getElementById("filters");
  const photos = [...document.querySelectorAll(".answered li")];
  if (form) {
    const { kind, type, text } = form.elements;
    const filter = () => {
      let shown = 0;
      for (const photo of photos) {
        const data = photo.dataset;
        const wanted = data.name.includes(text.value.trim().toLowerCase());
        photo.hidden = (kind.value && data.kind !== kind.value) || (type.value && data.type !== type.value) || !wanted;
        shown += !photo.hidden;
      }
      document.getElementById("found").textContent = `${shown.toLocaleString("en")} of ${photos.length.toLocaleString("en")} photos`;
    };
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    filter();
  }
}
