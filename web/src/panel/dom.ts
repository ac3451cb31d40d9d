/** The page's elements, by the ids that its HTML gives them. */

export function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** Writing the same words again would make a screen reader say them again. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
