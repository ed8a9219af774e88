import { CorralError } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { createOutboundPolicy } from './policy.ts'

const policyWith = (...allowPrivateHosts: string[]) => createOutboundPolicy({ allowPrivateHosts })
const objection = (url: string, ...listed: string[]) => policyWith(...listed).objectionTo(new URL(url))

describe('an address that is not public is refused, in every spelling', () => {
  test.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://127.0.0.1./',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://app.localhost/',
    'https://0.0.0.0/',
    'https://10.1.2.3/',
    'https://172.16.0.1/',
    'https://192.168.1.1/',
    'https://100.64.0.1/',
    'https://100.100.100.200/',
    'https://169.254.169.254/latest/meta-data',
    'https://168.63.129.16/',
    'https://192.0.0.192/',
    'https://198.18.0.1/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://[::]/',
    'https://[::1]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[fd00:ec2::254]/',
    'https://[ff02::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[::127.0.0.1]/',
    'https://[::ffff:0:10.0.0.1]/',
    'https://[64:ff9b::a00:1]/',
    'https://[64:ff9b:1::a00:1]/',
    'https://[2002:a00:1::]/',
    'https://[2001:0:a00:1::]/',
    'https://[100::1]/',
  ])('%s', (url) => {
    expect(objection(url)).toBe('is an address that is not allowed here')
  })
})

test.each([
  'https://140.82.121.3/',
  'https://[2606:50c0:8000::153]/',
  'https://[::ffff:140.82.121.3]/',
  'https://example.com:8443/hooks?a=b',
])('%s is let through', (url) => {
  expect(objection(url)).toBeNull()
})

test.each(['http://example.com/', 'http://140.82.121.3/', 'ftp://example.com/', 'file:///etc/passwd'])(
  '%s is not https',
  (url) => {
    expect(objection(url)).not.toBeNull()
  },
)

describe('what the operator lists', () => {
  test('may be private and plain http: a host with every port, a host with one port, an address, a range', () => {
    expect(objection('http://hooks.internal:8080/', 'hooks.internal')).toBeNull()
    expect(objection('http://hooks.internal:8080/', 'HOOKS.internal:8080')).toBeNull()
    expect(objection('https://hooks.internal/', 'hooks.internal:443')).toBeNull()
    expect(objection('http://127.0.0.1:9/', '127.0.0.1:9')).toBeNull()
    expect(objection('http://127.0.0.1:9/', '127.0.0.1')).toBeNull()
    expect(objection('http://localhost:9/', '127.0.0.0/8')).toBeNull()
    expect(objection('http://[::1]:9/', '::1')).toBeNull()
    expect(objection('http://[::1]:9/', '[::1]:9')).toBeNull()
    expect(objection('http://10.1.2.3/', '10.1.0.0/16')).toBeNull()
    expect(objection('http://[fd12::1]/', 'fd00::/8')).toBeNull()
  })

  test('opens nothing beside it', () => {
    expect(objection('http://other.internal/', 'hooks.internal')).not.toBeNull()
    expect(objection('http://hooks.internal:8081/', 'hooks.internal:8080')).not.toBeNull()
    expect(objection('https://10.2.0.1/', '10.1.0.0/16')).not.toBeNull()
    expect(objection('https://[::1:80]/', '[::1]:80')).not.toBeNull()
    expect(objection('https://[fe80::1]/', '10.1.0.0/16')).not.toBeNull()
  })

  test('by a range counts for names that lead into it, and for them alone by plain http', () => {
    const { addressesOf } = policyWith('10.1.0.0/16')
    const plain = addressesOf(new URL('http://hooks.internal/'))
    expect([plain('10.1.2.3'), plain('::ffff:10.1.2.3'), plain('140.82.121.3')]).toEqual([true, true, false])
    const tls = addressesOf(new URL('https://hooks.internal/'))
    expect([tls('10.1.2.3'), tls('140.82.121.3'), tls('10.2.2.3')]).toEqual([true, true, false])
  })

  test.each([
    'http://hooks.internal',
    'hooks.internal/path',
    '10.0.0.0/33',
    'a b',
    'host:99999',
    'user@host',
    '',
    '::1:x',
  ])('is refused at the start when it is none of these: "%s"', (entry) => {
    expect(() => policyWith(entry)).toThrow('CORRAL_ALLOW_PRIVATE_HOSTS')
  })
})

test('a refusal names the member and not the address', () => {
  const admit = () => policyWith().admit(new URL('https://10.0.0.1/secret-path'), 'callbackTarget.url')
  expect(admit).toThrow(CorralError)
  expect(admit).toThrow(
    expect.objectContaining({
      reason: 'target_refused',
      details: [{ path: 'callbackTarget.url', message: 'is an address that is not allowed here' }],
    }),
  )
})
