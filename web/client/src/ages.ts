/** The age of information: how old positions are on arrival, over the last seconds. */

const WINDOW_MS = 5000;
const MOST = 512;

/** The ages of new samples. */
export class Ages {
  #samples: { at: number; age: number }[] = [];

  /** Takes the age of a sample, in ms, that arrived now. */
  add(age: number, now: number): void {
    this.#samples.push({ at: now, age });
    if (this.#samples.length > MOST) this.#samples.splice(0, MOST / 2);
  }

  /** The median age; undefined without recent news. */
  median(now: number): number | undefined {
    const recent = this.#samples.filter((s) => now - s.at < WINDOW_MS).map((s) => s.age);
    recent.sort((a, b) => a - b);
    return recent[recent.length >> 1];
  }
}
