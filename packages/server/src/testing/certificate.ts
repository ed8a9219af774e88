/** A key and a certificate of its own for TLS servers of tests; nobody is asked to trust it. */
import { execFileSync } from 'node:child_process'

export function selfSigned(name: string): { key: string; cert: string } {
  const options = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const made = execFileSync('openssl', ['req', '-x509', ...options, '-subj', `/CN=${name}`, '-keyout', '-'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const part = (label: string) =>
    new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\\n`).exec(made)?.[0] ?? ''
  return { key: part('PRIVATE KEY'), cert: part('CERTIFICATE') }
}
