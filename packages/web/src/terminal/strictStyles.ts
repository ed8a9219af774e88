/**
 * xterm styles itself by `<style>` elements and `style` attributes, which the page's policy refuses. While a terminal is
 * shown, `document.createElement` gives out elements that do the same by ways that the policy allows: constructed style
 * sheets, and declarations through CSSOM. (xterm's own `documentOverride` reaches only some of the places.)
 */
let holders = 0

/** Returns the way to give it up. */
export function holdStrictStyles(): () => void {
  holders += 1
  if (holders === 1) Object.defineProperty(document, 'createElement', { value: createElement, configurable: true })
  return () => {
    holders -= 1
    if (holders === 0) Reflect.deleteProperty(document, 'createElement')
  }
}

function createElement(tag: string, options?: ElementCreationOptions): HTMLElement {
  const original = (name: string) => Document.prototype.createElement.call(document, name, options)
  switch (tag) {
    case 'style':
      return sheetHolder(original('template'))
    case 'span':
      return withStyleAttribute(original(tag))
    default:
      return original(tag)
  }
}

/** Stands where the `<style>` element would: its text is a sheet, and its removal the sheet's. */
function sheetHolder(holder: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet()
  document.adoptedStyleSheets.push(sheet)
  return Object.defineProperties(holder, {
    textContent: { set: (text: string) => sheet.replaceSync(text), get: () => '' },
    remove: {
      value() {
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet)
        Element.prototype.remove.call(holder)
      },
    },
  })
}

function withStyleAttribute(element: HTMLElement): HTMLElement {
  const setAttribute = element.setAttribute.bind(element)
  element.setAttribute = (name, value) => {
    if (name === 'style') element.style.cssText = value
    else setAttribute(name, value)
  }
  return element
}
