/**
 * Colors for code: loaded when there is code that does not grow any more, and made when nothing else is to be done.
 * Gives a tree, not HTML.
 */
import type { createLowlight } from 'lowlight'

/** A piece of code: its text, or a part with a name of highlight.js (`keyword`, `string`, …). */
export type Shade = string | { name: string; children: readonly Shade[] }

/** Longer code is shown without colors. */
const mostCharacters = 40_000

type Tree = ReturnType<ReturnType<typeof createLowlight>['highlight']>
type Node = Tree['children'][number]

let lowlight: Promise<ReturnType<typeof createLowlight>> | null = null

/** Null for a language that is not known, and for what is too long. */
export async function highlighted(code: string, language: string): Promise<readonly Shade[] | null> {
  if (language === '' || code.length > mostCharacters) return null
  lowlight ??= import('./languages.ts').then(({ loaded }) => loaded())
  const known = await lowlight
  if (!known.registered(language)) return null
  await idle()
  return known.highlight(language, code).children.map(shadeOf)
}

function shadeOf(node: Node): Shade {
  if (node.type === 'text') return node.value
  if (node.type !== 'element') return ''
  const { className } = node.properties
  const name = Array.isArray(className) ? String(className[0] ?? '') : ''
  return { name: name.replace(/^hljs-/, ''), children: node.children.map(shadeOf) }
}

const idle = (): Promise<unknown> =>
  new Promise((resolve) =>
    'requestIdleCallback' in globalThis ? requestIdleCallback(resolve, { timeout: 1_000 }) : setTimeout(resolve, 50),
  )
