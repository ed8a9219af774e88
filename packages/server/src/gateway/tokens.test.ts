import { newBootId, newSandboxId } from '@corral/protocol'
import { drizzle } from 'drizzle-orm/node-postgres'
import { expect, test } from 'vitest'
import { gatewayToken } from '../database/gatewayTables.ts'
import * as schema from '../database/schema.ts'
import { testGateway } from './testGateway.ts'
import { tokenHash, tokenOf } from './token.ts'
import { issueGatewayToken } from './tokens.ts'

test('the token of a boot is the same however often it is asked for, and ends those of earlier boots', async () => {
  await using gateway = await testGateway()
  const orm = drizzle(gateway.database.pool, { schema })
  const { id: sessionId } = await gateway.session()
  const boot = { sessionId, sandboxId: newSandboxId(), bootId: newBootId(), secret: 'a secret of the server' }
  const token = await issueGatewayToken(orm, boot)
  expect(token).toMatch(/^crl_[\w-]{43}$/)
  expect(await issueGatewayToken(orm, boot)).toBe(token)
  const later = await issueGatewayToken(orm, { ...boot, bootId: newBootId() })
  expect(later).not.toBe(token)
  const stored = await orm.select({ hash: gatewayToken.hash }).from(gatewayToken)
  expect(stored).toEqual([{ hash: tokenHash(later) }])
})

test.each([
  [{ authorization: 'Bearer crl_a' }, 'crl_a'],
  [{ authorization: 'bearer  crl_a' }, 'crl_a'],
  [{ 'x-api-key': 'crl_a' }, 'crl_a'],
  [{ authorization: `Basic ${btoa('agent:crl_a')}` }, 'crl_a'],
  [{ authorization: `Basic ${btoa('crl_a:')}` }, 'crl_a'],
  [{ authorization: 'Bearer sk-somebody-else', 'x-api-key': 'crl_a' }, 'crl_a'],
  [{ authorization: 'Bearer sk-somebody-else' }, null],
  [{ authorization: 'Basic !!!' }, null],
  [{ cookie: 'token=crl_a' }, null],
  [{}, null],
])('in %o the token is %s', (headers, token) => {
  expect(tokenOf(headers)).toBe(token)
})
