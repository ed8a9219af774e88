import { expect, test } from 'vitest'
import { allowPublicAddresses, guardedLookup } from './publicAddress.ts'

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '::1',
  '::',
  'fe80::1',
  'fd00::1',
  '::ffff:10.0.0.1',
  '64:ff9b::a00:1',
  '2002:a00:1::',
])('%s is not public', (address) => {
  expect(allowPublicAddresses([])(address)).toBe(false)
})

test.each(['140.82.121.3', '2606:50c0:8000::153', '::ffff:140.82.121.3'])('%s is public', (address) => {
  expect(allowPublicAddresses([])(address)).toBe(true)
})

test('ranges that the operator names are let through, and nothing beside them', () => {
  const isAllowed = allowPublicAddresses(['10.1.0.0/16', 'git.internal:8443', 'fd00::/8'])
  expect(['10.1.2.3', '::ffff:10.1.2.3', 'fd12::1'].every(isAllowed)).toBe(true)
  expect(['10.2.0.1', 'fe80::1'].some(isAllowed)).toBe(false)
})

test('a name with a private address alone leads nowhere', async () => {
  const lookup = guardedLookup(allowPublicAddresses([]))
  const error = await new Promise((resolve) => lookup('localhost', { all: true }, resolve))
  expect(String(error)).toContain('"localhost" has no public address')
})
