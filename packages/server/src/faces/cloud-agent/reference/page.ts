/**
 * The reference as one page: no script, no font and no address but our own, so the policy forbids everything but its own
 * style. Whatever is put into it is escaped.
 */
import { createHash } from 'node:crypto'
import { refusals } from '@corral/protocol'
import type { JsonSchema, Procedure } from './reference.ts'

const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h2 { margin: 2.5rem 0 .25rem; font: 600 1.15rem ui-monospace, monospace; border-top: 1px solid #ddd; padding-top: 1rem }
p { margin: .25rem 0 } code { font: .9em ui-monospace, monospace }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #eee; overflow-wrap: anywhere }
.kind { color: #666 } nav { columns: 3 16rem; font: .9rem/1.7 ui-monospace, monospace } nav a { display: block }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } a { color: #8ab4f8 } h2, th, td { border-color: #333 } .kind { color: #999 } }
`
const styleHash = createHash('sha256').update(style).digest('base64')
export const pagePolicy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

export function referencePage(procedures: readonly Procedure[], version: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Corral API</title><style>${style}</style></head><body>
<h1>Corral API</h1>
<p>Version ${escaped(version)}. Every procedure is at <code>/trpc/&lt;name&gt;</code>: queries by GET with <code>?input=</code>,
mutations by POST with a JSON body. Send <code>Authorization: Bearer &lt;key&gt;</code>. What is plain HTTP is described by
<a href="/openapi.json">openapi.json</a>.</p>
<nav>${procedures.map(({ name }) => `<a href="#${escaped(name)}">${escaped(name)}</a>`).join('')}
<a href="#streams">Streams</a><a href="#refusals">Refusals</a></nav>
${procedures.map(section).join('\n')}
${streams}
${refusalTable()}
</body></html>
`
}

function section({ name, kind, guard, input, entry }: Procedure): string {
  const rows = input ? membersOf(input) : []
  return `<h2 id="${escaped(name)}">${escaped(name)}</h2>
<p class="kind">${escaped(kind)}; for ${escaped(guard)}</p>
${entry ? `<p>${escaped(entry.does)}</p>` : ''}
${rows.length > 0 ? `<table><tr><th>member</th><th>is</th></tr>${rows.join('')}</table>` : ''}
${entry ? `<p>Answers <code>${escaped(entry.answers)}</code></p>` : ''}
${entry && entry.refusals.length > 0 ? `<p>Refuses with ${entry.refusals.map(refusalLink).join(', ')}</p>` : ''}`
}

const refusalLink = (reason: string) => `<a href="#${escaped(reason)}"><code>${escaped(reason)}</code></a>`

/** One row for each member, and for those inside it. */
function membersOf(schema: JsonSchema, prefix = ''): string[] {
  const { properties, required } = schema
  if (!isSchema(properties)) return []
  const needed = Array.isArray(required) ? required : []
  return Object.entries(properties).flatMap(([name, member]) => {
    if (!isSchema(member)) return []
    const path = prefix + name
    const need = needed.includes(name) ? ', required' : ''
    const inside = isSchema(member.items) ? membersOf(member.items, `${path}[].`) : valuesOf(member, path)
    return [
      `<tr><td><code>${escaped(path)}</code></td><td>${escaped(said(member) + need)}</td></tr>`,
      ...membersOf(member, `${path}.`),
      ...inside,
    ]
  })
}

const valuesOf = (schema: JsonSchema, path: string): string[] =>
  isSchema(schema.additionalProperties) ? membersOf(schema.additionalProperties, `${path}.<name>.`) : []

/** A schema in words: its type, and its limits by their names in JSON Schema. */
function said(schema: JsonSchema): string {
  const { anyOf, enum: values, type, default: initial } = schema
  const limits = ['const', 'minLength', 'maxLength', 'minimum', 'maximum', 'maxItems', 'maxProperties', 'pattern']
    .filter((limit) => schema[limit] !== undefined)
    .map((limit) => `${limit} ${String(schema[limit])}`)
  const kind = Array.isArray(anyOf)
    ? anyOf.map((one) => (isSchema(one) ? said(one) : '')).join(' | ')
    : Array.isArray(values)
      ? values.map((value) => JSON.stringify(value)).join(' | ')
      : type === 'array' && isSchema(schema.items)
        ? `list of (${said(schema.items)})`
        : typeof type === 'string'
          ? type
          : 'anything'
  return [kind, ...limits, ...(initial === undefined ? [] : [`default ${JSON.stringify(initial)}`])].join(', ')
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const streams = `<h2 id="streams">Streams</h2>
<p>A session's log is a WebSocket at <code>/stream?cloudAgentSessionId=…&amp;ticket=…</code>: everything after
<code>fromId</code>, one <code>connected</code> frame, then what comes. Filters: <code>eventTypes</code>,
<code>executionIds</code>, <code>startTime</code>, <code>endTime</code>; <code>replay=false</code> skips what is there,
<code>batch=true</code> gives several events in a frame. The deprecated names stream one execution as server-sent events:
<code>{streamEventType, sessionId, timestamp, …}</code>, and a reconnect with <code>Last-Event-ID</code> goes on.</p>`

const refusalTable = () => `<h2 id="refusals">Refusals</h2>
<table><tr><th>reason</th><th>HTTP</th><th>tRPC</th><th>means</th></tr>${Object.entries(refusals)
  .map(
    ([reason, { httpStatus, trpcCode, sentence }]) =>
      `<tr id="${escaped(reason)}"><td><code>${escaped(reason)}</code></td><td>${httpStatus}</td><td>${trpcCode}</td><td>${escaped(sentence)}</td></tr>`,
  )
  .join('')}</table>`

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character] ?? character)
