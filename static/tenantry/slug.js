// data-slug-of="id" on an input: it proposes a slug from that other input, until somebody writes one.
function slugOf(words) {
  return words.normalize("NFKD").toLowerCase().replace(/[^a-z0-9\s_-]/g, "").replace(/[\s_-]+/g, "-").replace(/^-|-$/g, "");
}

export function enhanceSlugs() {
  for (const slug of document.querySelectorAll("[data-slug-of]")) {
    const name = document.getElementById(slug.dataset.slugOf);
    let written = slug.value !== "";
    slug.addEventListener("input", () => { written = slug.value !== ""; });
    name?.addEventListener("input", () => {
      if (!written) slug.value = slugOf(name.value).slice(0, slug.maxLength).replace(/-$/, "");
    });
  }
}
