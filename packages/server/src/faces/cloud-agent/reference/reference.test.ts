/** The reference says what is there, and loads nothing. */
import { createHash } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { testFace } from '../testFace.ts'
import { entries } from './entries.ts'

const face = await testFace()
afterAll(() => face[Symbol.asyncDispose]())
const response = await fetch(`${face.url}/docs/api`)
const page = await response.text()

test.each(Object.keys(face.procedures))('%s has its place, with its members', (name) => {
  const [, after = ''] = page.split(`<h2 id="${name}">`)
  const own = after.split('<h2')[0] ?? ''
  expect(own).not.toBe('')
  if (name in entries) expect(own).toContain('Answers <code>')
  // These have an input without members, or none.
  if (name !== 'health' && name !== 'getInstallation' && name in entries) expect(own).toContain('<table>')
})

test('limits are those of the schemas', () => {
  const [, own = ''] = page.split('<h2 id="prepareSession">')
  expect(own).toMatch(/<code>prompt<\/code><\/td><td>string, minLength 1, maxLength 100000, required/)
  expect(own).toContain('<code>mcpServers.&lt;name&gt;.timeout</code>')
  expect(own).toContain('<code>callbackTarget.url</code>')
})

test('nothing is described that is not there', () => {
  expect(Object.keys(entries).filter((name) => !(name in face.procedures))).toEqual([])
})

test('it needs nothing from anywhere, and its policy allows nothing', () => {
  expect(response.status).toBe(200)
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  const style = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? ''
  expect(policy).toContain(createHash('sha256').update(style).digest('base64'))
  expect(page).not.toMatch(/<script|<link|<img|style=|url\(|@import|src=/)
})

const operationSchema = z.looseObject({ summary: z.string(), responses: z.record(z.string(), z.looseObject({})) })
const documentSchema = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
})

test('the OpenAPI document has every route, and the limits of its bodies', async () => {
  const document = documentSchema.parse(await (await fetch(`${face.url}/openapi.json`)).json())
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
  )
  const own = face.routes.filter((route) => !/ \/(openapi\.json|docs\/api|api\/auth\/.*)$/.test(route))
  expect(described.toSorted()).toEqual([...new Set(own)].toSorted())
  const prepare = document.paths['/api/cloud-agent/sessions/prepare']?.post
  expect(prepare).toMatchObject({
    requestBody: {
      content: {
        'application/json': {
          schema: {
            required: ['prompt', 'mode', 'model'],
            additionalProperties: false,
            properties: { prompt: { type: 'string', minLength: 1, maxLength: 100_000 } },
          },
        },
      },
    },
  })
  expect(Object.keys(prepare?.responses ?? {})).toEqual(
    expect.arrayContaining(['200', '400', '401', '402', '404', '409']),
  )
})
