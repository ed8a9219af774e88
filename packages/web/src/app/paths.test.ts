import { expect, test } from 'vitest'
import { nextAddress, signInAddress } from './paths.ts'

const origin = 'https://corral.example'
const next = (address: string) => nextAddress(`next=${encodeURIComponent(address)}`, origin)

test('signing in leads back to where one was', () => {
  const wanted = '/cloud/chat?sessionId=agent_1&tab=diff#line-3'
  expect(nextAddress(signInAddress(wanted).replace('/sign-in?', ''), origin)).toBe(wanted)
  expect(signInAddress('/')).toBe('/sign-in')
  expect(nextAddress('', origin)).toBe('/')
})

test.each([
  'https://elsewhere.example/',
  '//elsewhere.example/',
  '/\\elsewhere.example/',
  '\\\\elsewhere.example',
  'javascript:alert(1)',
  'https://corral.example@elsewhere.example/',
  ' //elsewhere.example',
  '/.//elsewhere.example',
  'usage',
])('a link to %s leads to nobody else', (address) => {
  expect(next(address)).toBe('/')
})
