import { expect, test } from 'vitest'
import { readRegistryCall, targetOf } from './registryCall.ts'
import { registriesSchema } from './settings.ts'

const settings = registriesSchema.parse({ npm: { url: 'https://mirror.example/npm' } })
function target(path: string) {
  const call = readRegistryCall(`/registry/${path}`)
  return call && targetOf(call, settings)
}

test.each([
  ['npm/@a%2fb?x=1', 'https://mirror.example/npm/@a%2fb?x=1', true],
  ['npm/a/-/a-1.0.0.tgz', 'https://mirror.example/npm/a/-/a-1.0.0.tgz', false],
  ['pypi/simple/requests/', 'https://pypi.org/simple/requests/', true],
  ['pypi/files/packages/ab/x.whl', 'https://files.pythonhosted.org/packages/ab/x.whl', false],
  ['crates/config.json', 'https://index.crates.io/config.json', true],
  ['crates/se/rd/serde', 'https://index.crates.io/se/rd/serde', false],
  ['crates/files/crates/serde/1.0.0/download', 'https://static.crates.io/crates/serde/1.0.0/download', false],
  ['go/golang.org/x/text/@v/list', 'https://proxy.golang.org/golang.org/x/text/@v/list', false],
  ['go/sumdb/sum.golang.org/latest', 'https://sum.golang.org/latest', false],
])('%s is at %s', (path, url, rewritten) => {
  expect(target(path)).toEqual({ kind: 'upstream', url, rewritten })
})

test.each([
  'npm/../secret',
  'npm/./x',
  'npm/%2e%2e/secret',
  'npm/x/..%2f..%2fsecret',
  'npm/x\\y',
  'npm/%',
  'npm//../../x',
  'npm/x y',
  'npm/x#y',
  'pypi/files/../simple',
  'go/sumdb/sum.example.com/latest',
])('%s leads elsewhere than it says, and nowhere here', (path) => {
  expect(target(path)).toEqual({ kind: 'missing' })
})

test.each(['maven/x', 'npm', 'NPM/x', ''])('there is no registry at "%s"', (path) => {
  expect(target(path)).toBeNull()
})
