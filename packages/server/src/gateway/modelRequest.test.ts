import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readModelRequest } from './modelRequest.ts'

const renamed = (text: string, model = 'other') => {
  const request = readModelRequest(Buffer.from(text))
  return request.kind === 'valid' ? request.renamed(model).toString() : request.sentence
}

describe('renaming the model of a request', () => {
  test('changes nothing else, not even spaces and the spelling of numbers', () => {
    expect(renamed('{ "temperature": 1.0,\n "model" : "a/b" ,"n":1e2, "messages":[{"model":"kept"}] }')).toBe(
      '{ "temperature": 1.0,\n "model" : "other" ,"n":1e2, "messages":[{"model":"kept"}] }',
    )
  })

  test('holds for any request', () => {
    const rest = fc
      .dictionary(fc.string(), fc.jsonValue())
      .filter((value) => !('model' in value) && !('models' in value))
    fc.assert(
      fc.property(rest, fc.string({ maxLength: 100 }), fc.string(), fc.nat(), (value, model, other, seed) => {
        const entries = Object.entries(value)
        entries.splice(seed % (entries.length + 1), 0, ['model', model])
        const request = Object.fromEntries(entries)
        const text = JSON.stringify(request)
        expect(renamed(text, other)).toBe(JSON.stringify({ ...request, model: other }))
      }),
    )
  })

  test.each([
    ['{"model":"a","model":"b"}', /more than once/],
    // The same key to every reader of JSON.
    ['{"model":"a","mod\\u0065l":"b"}', /more than once/],
    ['{"model":"a","models":["b"]}', /name one model/],
    ['{"model":5}', /"model" that is a string/],
    [`{"model":"${'x'.repeat(300)}"}`, /at most 256/],
    ['["model"]', /must be a JSON object/],
    ['{"model":"a"', /must be a JSON object/],
    ['', /must be a JSON object/],
  ])('%s is refused', (body, sentence) => {
    expect(readModelRequest(Buffer.from(body))).toEqual({ kind: 'invalid', sentence: expect.stringMatching(sentence) })
  })
})
