/** QR codes. */

const SVG = 'http://www.w3.org/2000/svg';
/** Light modules around a code (ISO/IEC 18004, section 6.3.8). */
const QUIET = 4;

/** Draws a text as a code into an empty element; one that has a code keeps it. */
export async function drawCode(place: HTMLElement, text: string): Promise<void> {
  if (place.childElementCount > 0) return;
  const { generate } = await import('lean-qr');
  const code = generate(text);
  const size = code.size + 2 * QUIET;
  let path = '';
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (code.get(x, y)) path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
    }
  }
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'QR code of the link');
  const modules = document.createElementNS(SVG, 'path');
  modules.setAttribute('d', path);
  svg.append(modules);
  place.replaceChildren(svg);
}
