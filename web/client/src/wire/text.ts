/**
 * The rule for text that people write and others read (docs/PROTOCOL.md, section 3, "Text"), the
 * twin of `src/proto/text.rs`. The server applies it too and has the last word, so a browser with
 * older or newer Unicode only shows its own text differently until the server answers.
 */

/** Longest name or label, in bytes of UTF-8. */
export const MAX_NAME = 64;
/** Longest explanation from the other side that is shown, in bytes of UTF-8. */
export const MAX_REASON = 256;
/** Maximum number of nonspacing marks in a row (UTS #39, section 5.4). */
const MAX_MARKS = 4;

const VS16 = '\u{FE0F}';
const KEYCAP = '\u{20E3}';
/** The flags of England, Scotland and Wales, the only tag sequences recommended for interchange. */
const FLAG =
  /^\u{1F3F4}\u{E0067}\u{E0062}(?:\u{E0065}\u{E006E}\u{E0067}|\u{E0073}\u{E0063}\u{E0074}|\u{E0077}\u{E006C}\u{E0073})\u{E007F}/u;

/** White space, and characters that look like it. */
const BLANK =
  /^[\t-\r \u{85}\u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{115F}\u{1160}\u{3164}\u{FFA0}\u{2800}\u{13441}\u{13442}\u{1D159}]$/u;
/** Signs that enclose a number: visible, although format characters. */
const SIGN = /^[\u{600}-\u{605}\u{6DD}\u{70F}\u{890}\u{891}\u{8E2}\u{110BD}\u{110CD}]$/u;
const HIDDEN =
  /^[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u{FFFC}]$/u;
const MARK = /^\p{M}$/u;
const SPACING_MARK = /^\p{Mc}$/u;
const PICTOGRAPHIC = /^\p{Extended_Pictographic}$/u;
const EMOJI_MODIFIER = /^\p{Emoji_Modifier}$/u;
const IDEOGRAPHIC = /^\p{Ideographic}$/u;
const SELECTOR = /^[\u{FE00}-\u{FE0F}\u{E0100}-\u{E01EF}]$/u;
const MONGOLIAN_SELECTOR = /^[\u{180B}-\u{180D}\u{180F}]$/u;
const MONGOLIAN = /^[\u{1820}-\u{18AA}]$/u;
const KEYCAP_BASE = /^[0-9#*]$/u;
/** Blocks of the scripts whose letters join or form conjuncts. */
const HAS_JOINERS =
  /^[\u{600}-\u{DFF}\u{F00}-\u{109F}\u{1700}-\u{18AF}\u{1900}-\u{1AAF}\u{1B00}-\u{1C7F}\u{A800}-\u{A95F}\u{A980}-\u{AAFF}\u{ABC0}-\u{ABFF}\u{FB50}-\u{FDCF}\u{FE70}-\u{FEFC}\u{10A00}-\u{10AFF}\u{10D00}-\u{10D3F}\u{10F30}-\u{10FAF}\u{11000}-\u{11FFF}\u{1E900}-\u{1E95F}]$/u;

/**
 * Text fit to be shown: composed, on one line, without characters that hide or reverse others, at
 * most `max` bytes of UTF-8 long, and empty if nothing of it is visible.
 */
export function clean(text: string, max: number): string {
  let cleaned = cut(tidy(text), max);
  for (;;) {
    const again = cut(tidy(cleaned), max);
    if (again === cleaned) return cleaned;
    cleaned = again;
  }
}

/** Text fit to be a name or a label. */
export function cleanName(text: string): string {
  return clean(text, MAX_NAME);
}

/** Text isolated among other words, so that its direction changes nothing else. */
export function isolated(text: string): string {
  return `\u{2068}${text}\u{2069}`;
}

const utf8 = new TextEncoder();

function cut(text: string, max: number): string {
  if (utf8.encode(text).length <= max) return text;
  return within(graphemes(text), max) || within(text, max);
}

/** The first parts that fit. */
function within(parts: Iterable<string>, max: number): string {
  let [kept, left] = ['', max];
  for (const part of parts) {
    left -= utf8.encode(part).length;
    if (left < 0) break;
    kept += part;
  }
  return kept;
}

/**
 * Splits text into graphemes; browsers without `Intl.Segmenter` (Firefox before 125) split it
 * between code points.
 */
function graphemes(text: string): Iterable<string> {
  if (!('Segmenter' in Intl)) return text;
  const segments = new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(text);
  return Array.from(segments, ({ segment }) => segment);
}

function tidy(text: string): string {
  const tidied = new Tidied();
  let rest = text.normalize('NFC');
  while (rest) {
    const flag = FLAG.exec(rest)?.[0];
    const c = flag ? flag.slice(0, 2) : String.fromCodePoint(rest.codePointAt(0)!);
    tidied.take(c);
    if (flag) tidied.text += flag.slice(2);
    rest = rest.slice((flag ?? c).length);
  }
  return tidied.text.trimEnd().normalize('NFC');
}

/** Text that grows one character at a time. */
class Tidied {
  text = '';
  private last = '';
  /** Number of nonspacing marks at the end. */
  private marks = 0;
  /** A character kept only if the next one needs it. */
  private pending = '';

  take(c: string): void {
    if (BLANK.test(c)) {
      this.pending = '';
      if (this.last !== '' && this.last !== ' ') this.put(' ');
    } else if (
      c === '\u{200C}' ||
      c === '\u{200D}' ||
      (c === VS16 && KEYCAP_BASE.test(this.last))
    ) {
      this.pending = c;
    } else if (selects(c, this.last)) {
      this.put(c);
    } else if (HIDDEN.test(c) && !SIGN.test(c)) {
      // Leave no trace of it.
    } else if (MARK.test(c)) {
      this.mark(c);
    } else {
      this.marks = 0;
      this.put(c);
    }
  }

  /**
   * Adds a mark to the character before it; without one it would join what is shown before the
   * text.
   */
  private mark(c: string): void {
    if (this.last === '' || this.last === ' ') return;
    if (SPACING_MARK.test(c)) this.marks = 0;
    else if (this.marks < MAX_MARKS) this.marks++;
    else return;
    this.put(c);
  }

  private put(c: string): void {
    if (this.pending && joins(this.last, this.pending, c)) this.text += this.pending;
    this.pending = '';
    this.text += c;
    this.last = c;
  }
}

/** Whether `c` selects a variant of `last`, an emoji, ideograph or Mongolian letter. */
function selects(c: string, last: string): boolean {
  if ((c === VS16 || c === '\u{FE0E}') && PICTOGRAPHIC.test(last)) return true;
  if (SELECTOR.test(c)) return IDEOGRAPHIC.test(last);
  return MONGOLIAN_SELECTOR.test(c) && MONGOLIAN.test(last);
}

/** Whether `pending` belongs between `last` and `next`. */
function joins(last: string, pending: string, next: string): boolean {
  if (pending === VS16) return KEYCAP_BASE.test(last) && next === KEYCAP;
  if (pending === '\u{200D}' && PICTOGRAPHIC.test(next)) {
    return PICTOGRAPHIC.test(last) || EMOJI_MODIFIER.test(last) || last === VS16;
  }
  return HAS_JOINERS.test(last) && HAS_JOINERS.test(next);
}
