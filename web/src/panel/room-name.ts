/** Names for new rooms that can be read out and remembered. */

const KINDS =
  'amber bold brave bright calm clever coral cosy crisp dancing eager early ' +
  'fair fond gentle glad golden green happy jolly kind lively lucky merry misty ' +
  'proud quick quiet silver sunny swift warm';
const THINGS =
  'badger beacon bridge brook cedar cloud comet crane falcon fern field finch ' +
  'forest fox garden harbour hare heron island lake lantern maple meadow otter ' +
  'owl pebble river robin sparrow summit valley willow';

/**
 * A name that nobody is likely to have: one of 9 million, such as `quiet-otter-4821`. It is easy to
 * say, and no secret: whoever guesses it gets in.
 */
export function readableName(
  draw: () => [number, number, number] = () => {
    const [a, b, c] = crypto.getRandomValues(new Uint32Array(3));
    return [a!, b!, c!];
  },
): string {
  const [kind, thing, number] = draw();
  const word = (list: string, index: number): string => {
    const words = list.split(' ');
    return words[index % words.length]!;
  };
  return `${word(KINDS, kind)}-${word(THINGS, thing)}-${1000 + (number % 9000)}`;
}
