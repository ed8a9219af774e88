/**
 * The one thing the gateway changes in a model request: the model's name. The value is replaced where it stands, so
 * every other byte reaches the upstream as it was sent.
 */
import { z } from 'zod'

export type ModelRequest =
  | { kind: 'valid'; model: string /** The body with another name of the model. */; renamed(model: string): Buffer }
  | { kind: 'invalid'; sentence: string }

const namesModel = z.looseObject({ model: z.string().max(256) })

export function readModelRequest(body: Buffer): ModelRequest {
  const request = namesModel.safeParse(parseJson(body))
  if (!request.success) {
    return {
      kind: 'invalid',
      sentence: 'the body must be a JSON object with a "model" that is a string of at most 256 characters.',
    }
  }
  // OpenRouter tries these in turn, so they would get around the list of models that the session may call.
  if ('models' in request.data) {
    return { kind: 'invalid', sentence: 'name one model; a list of "models" is not taken here.' }
  }
  const [place, ...more] = placesOfMember(body, 'model')
  // Which of two an upstream would read is anybody's guess.
  if (!place || more.length > 0) return { kind: 'invalid', sentence: 'the body names "model" more than once.' }
  return {
    kind: 'valid',
    model: request.data.model,
    renamed: (model) =>
      Buffer.concat([body.subarray(0, place.start), Buffer.from(JSON.stringify(model)), body.subarray(place.end)]),
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const byte = (character: string) => character.charCodeAt(0)
const quote = byte('"')
const backslash = byte('\\')
const comma = byte(',')
const openers = new Set([byte('{'), byte('[')])
const closers = new Set([byte('}'), byte(']')])

type Place = { start: number; end: number }

/**
 * Where the values of a top-level member are, given that they are strings (the place of another is wrong, but counted).
 * `json` is a valid JSON object, so its bytes need no further checks.
 */
function placesOfMember(json: Buffer, name: string): Place[] {
  const places: Place[] = []
  let depth = 0
  let key: string | null = null
  let value: Place = { start: -1, end: -1 }
  for (let at = 0; at < json.length; at++) {
    const current = json[at] ?? 0
    if (current === quote) {
      const end = endOfString(json, at)
      if (depth === 1 && key !== null) value = { start: at, end }
      // Keys may be written with escapes.
      else if (depth === 1) key = String(JSON.parse(json.toString('utf8', at, end)))
      at = end - 1
    } else if (openers.has(current)) {
      depth += 1
    } else if (closers.has(current) || (current === comma && depth === 1)) {
      if (depth === 1) {
        if (key === name) places.push(value)
        key = null
      }
      if (current !== comma) depth -= 1
    }
  }
  return places
}

/** The position behind the closing quote. */
function endOfString(json: Buffer, start: number): number {
  let at = start + 1
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1
  return at + 1
}
