import { newSessionId, type SessionDiff } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { diffSummary, patchText } from './diff.ts'

const esc = '\u001b'
const diff: SessionDiff = {
  cloudAgentSessionId: newSessionId(),
  branch: 'session/x',
  base: 'abc',
  files: [
    { path: 'src/sum.ts', status: 'modified', additions: 1, deletions: 1 },
    { path: `evil${esc}[2J\nname`, status: 'added', additions: 2, deletions: 0 },
  ],
  patch: `--- a/src/sum.ts\n+++ b/src/sum.ts\n@@ -1 +1 @@\n-${esc}]0;x\u0007old\n+new\r\n context`,
  truncated: false,
}

describe('what changed', () => {
  test('is a line for each file, whatever it is called', () => {
    expect(diffSummary(diff)).toBe(' modified src/sum.ts  +1 -1\n added    evil name  +2 -0\n')
    expect(diffSummary({ ...diff, files: [] })).toBe('No files changed.\n')
  })

  test('is shown as a patch, without what it could do to a terminal', () => {
    expect(patchText(diff)).toBe('--- a/src/sum.ts\n+++ b/src/sum.ts\n@@ -1 +1 @@\n-old\n+new\n context')
  })

  test('says when it was too large to be shown whole', () => {
    expect(patchText({ ...diff, truncated: true })).toMatch(/\n\(cut: .*\)\n$/)
  })
})
