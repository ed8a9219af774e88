import { describe, expect, test } from 'vitest'
import { parsePatch } from './patch.ts'

const only = (patch: string) => {
  const [file, ...others] = parsePatch(patch)
  expect(others).toEqual([])
  if (!file) throw new Error('no file was found')
  return file
}

describe('a patch', () => {
  test('has its lines numbered on both sides, hunk by hunk', () => {
    const { path, hunks } = only(`diff --git a/src/x.ts b/src/x.ts
index 1..2 100644
--- a/src/x.ts
+++ b/src/x.ts
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
@@ -10,2 +10,3 @@ function later() {
 ten
+eleven
 twelve
`)
    expect(path).toBe('src/x.ts')
    expect(hunks.map(({ heading }) => heading)).toEqual(['', 'function later() {'])
    expect(hunks.flatMap(({ lines }) => lines.map((line) => [line.oldNumber, line.newNumber, line.text]))).toEqual([
      [1, 1, 'one'],
      [2, null, 'two'],
      [null, 2, 'TWO'],
      [3, 3, 'three'],
      [10, 10, 'ten'],
      [null, 11, 'eleven'],
      [11, 12, 'twelve'],
    ])
  })

  test('keeps lines that look like headers within their hunk', () => {
    const { hunks } = only(`diff --git a/x b/x
--- a/x
+++ b/x
@@ -1,2 +1,2 @@
--- a/y
+++ b/y
 diff --git a/z b/z
`)
    expect(hunks[0]?.lines).toMatchObject([
      { kind: 'removed', text: '-- a/y' },
      { kind: 'added', text: '++ b/y' },
      { kind: 'context', text: 'diff --git a/z b/z' },
    ])
  })

  test('tells new, deleted, renamed and binary files', () => {
    const files = parsePatch(`diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+hello
\\ No newline at end of file
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-bye
diff --git a/old name b/new name
similarity index 100%
rename from old name
rename to new name
diff --git a/logo.png b/logo.png
index 1..2 100644
Binary files a/logo.png and b/logo.png differ
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
`)
    expect(files.map(({ path, oldPath, isBinary, hunks }) => [path, oldPath, isBinary, hunks.length])).toEqual([
      ['new.txt', null, false, 1],
      ['gone.txt', null, false, 1],
      ['new name', 'old name', false, 0],
      ['logo.png', null, true, 0],
      ['run.sh', null, false, 0],
    ])
    expect(files[0]?.hunks[0]?.lines[0]?.isUnended).toBe(true)
  })

  test('has names as they are, however git had to quote them', () => {
    const { path } = only(`diff --git "a/\\303\\244 \\"q\\"\\t<b>\\n.txt" "b/\\303\\244 \\"q\\"\\t<b>\\n.txt"
--- "a/\\303\\244 \\"q\\"\\t<b>\\n.txt"
+++ "b/\\303\\244 \\"q\\"\\t<b>\\n.txt"
@@ -1 +1 @@
-a
+b
`)
    expect(path).toBe('ä "q"\t<b>\n.txt')
    expect(only('diff --git a/a b/c d.txt b/a b/c d.txt\n--- a/a b/c d.txt\t\n+++ b/a b/c d.txt\t\n').path).toBe(
      'a b/c d.txt',
    )
  })

  test('that was cut off gives what it has; one without anything has no files', () => {
    expect(only('diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n one\n').hunks[0]?.lines).toHaveLength(1)
    expect(parsePatch('')).toEqual([])
  })
})
