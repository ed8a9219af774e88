import { describe, expect, test } from 'vitest'
import { projected } from './publicProjection.ts'

const place = {
  workspacePath: '/workspace/u/sessions/agent_1',
  home: '/home/agent_1',
  directory: '/cloud-agent/sessions/ses_1',
}
const shown = (value: Record<string, unknown>) => projected(value, place)

describe('a path', () => {
  test.each([
    ['of the workspace', `${place.workspacePath}/a/b.ts`, `${place.directory}/a/b.ts`],
    ['that is the workspace', place.workspacePath, place.directory],
    ['beside the workspace', `${place.workspacePath}2/a`, place.directory],
    ['elsewhere', '/etc/passwd', place.directory],
    ['that is relative', 'src/a.ts', 'src/a.ts'],
    ['as a URL', `file://${place.workspacePath}/a`, ''],
    ['in a command', `cat ${place.workspacePath}/a`, `cat ${place.directory}/a`],
  ])('%s', (_, given, expected) => {
    expect(shown({ filePath: given, patterns: [given] })).toEqual({
      value: { filePath: expected, patterns: [expected] },
      leftovers: 0,
    })
  })
})

test('free text is as it was, however deep it stands', () => {
  const value = {
    state: { output: `in ${place.home}`, input: { command: `ls ${place.workspacePath}` } },
    text: 'file:x',
  }
  expect(shown(value)).toEqual({ value, leftovers: 0 })
})

test('a place in a member that is not known is replaced and counted', () => {
  expect(shown({ note: `see ${place.home}/.cache`, [`${place.workspacePath}/a`]: 1, url: 'FILE:///x' })).toEqual({
    value: { note: `see ${place.directory}/.cache`, [`${place.directory}/a`]: 1, url: '' },
    leftovers: 1,
  })
})

test('what is no text stays, and the value itself is not changed', () => {
  const value = Object.freeze({ files: Object.freeze([`${place.workspacePath}/a`, 1, null]), at: 2, ok: true })
  expect(shown(value).value).toEqual({ files: [`${place.directory}/a`, 1, null], at: 2, ok: true })
})
