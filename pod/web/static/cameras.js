// Renew each picture while somebody looks, one request at a time for each camera.

const EVERY_MS = 2_000, PATIENCE_MS = 8_000;

function renew(image) {
  if (document.hidden) {
    setTimeout(renew, EVERY_MS, image);
    return;
  }
  const fresh = image.cloneNode();
  const late = setTimeout(() => (fresh.src = ""), PATIENCE_MS);
  fresh.onload = () => {
    clearTimeout(late);
    blind(image, false);
    image.replaceWith(fresh);
    setTimeout(renew, EVERY_MS, fresh);
  };
  fresh.onerror = () => {
    clearTimeout(late);
    blind(image, true);
    setTimeout(renew, EVERY_MS, image);
  };
  fresh.src = `${new URL(image.src).pathname}?at=${Date.now()}`;
}

// A picture of long ago is hidden: it would pass for one of now.
function blind(image, is) {
  image.closest(".view").classList.toggle("blind", is);
}

for (const image of document.querySelectorAll("[data-still]")) renew(image);
