// A picture that renews itself while it is wanted: what stands where live video does not play.

const EVERY_MS = 2_000, PATIENCE_MS = 8_000;

export class Stills {
  #image; #told; #timer = 0; #wanted = false; #turn = 0;

  // told: whether there is a picture of now; one of long ago would pass for it.
  constructor(image, told) {
    this.#image = image;
    this.#told = told;
  }

  want(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    clearTimeout(this.#timer);
    this.#turn += 1;
    if (wanted) this.#renew(this.#turn);
  }

  // One request at a time: a slow POD is not asked faster than it answers.
  #renew(turn) {
    const fresh = this.#image.cloneNode();
    const late = setTimeout(() => (fresh.src = ""), PATIENCE_MS);
    const done = (has) => {
      clearTimeout(late);
      if (turn !== this.#turn) return;
      if (has) {
        this.#image.replaceWith(fresh);
        this.#image = fresh;
      }
      this.#told(has);
      this.#timer = setTimeout(() => this.#renew(turn), EVERY_MS);
    };
    fresh.onload = () => done(true);
    fresh.onerror = () => done(false);
    fresh.src = `${new URL(this.#image.src).pathname}?at=${Date.now()}`;
  }
}
