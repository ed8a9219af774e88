/**
 * The document as xterm sees it. It styles itself by `<style>` elements and `style` attributes, which the page's policy
 * does not allow and need not: the same rules go into constructed style sheets, and the same declarations through CSSOM.
 */
export function strictDocument(real: Document): Document {
  return new Proxy(real, {
    get(target, name) {
      if (name === 'createElement') return (tag: string) => createElement(target, tag)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function createElement(real: Document, tag: string): HTMLElement {
  return tag === 'style' ? sheetHolder(real) : withStyleAttribute(real.createElement(tag))
}

/** Stands where the `<style>` element would: its text is a sheet, and its removal the sheet's. */
function sheetHolder(real: Document): HTMLElement {
  const sheet = new CSSStyleSheet()
  real.adoptedStyleSheets.push(sheet)
  const holder = real.createElement('template')
  return Object.defineProperties(holder, {
    textContent: { set: (text: string) => sheet.replaceSync(text), get: () => '' },
    remove: {
      value() {
        real.adoptedStyleSheets = real.adoptedStyleSheets.filter((other) => other !== sheet)
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
