// Certificates made for one test by the openssl program.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { folder } from './rig.mjs'

const openssl = args => execFileSync('openssl', args, { stdio: 'ignore' })
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']

// { key, cert }: the paths of one that vouches for itself, for a name and 127.0.0.1.
export function selfSigned(t, name) {
  const dir = folder(t)
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  openssl(['req', '-x509', ...EC, '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`, '-keyout', key, '-out', cert])
  return { key, cert }
}

// An authority: { cert, issue(name, { days, passphrase }) => { key, cert } }.
export function authority(t, name = 'Test authority') {
  const dir = folder(t)
  const [key, cert] = [join(dir, 'ca.key'), join(dir, 'ca.pem')]
  openssl(['req', '-x509', ...EC, '-nodes', '-days', '3', '-subj', `/CN=${name}`,
    '-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', key, '-out', cert])
  let made = 0
  return {
    cert,
    issue(subject, { days = 90, passphrase } = {}) {
      const stem = join(dir, `${++made}`)
      const own = { key: `${stem}.key`, cert: `${stem}.pem` }
      openssl(['req', ...EC, '-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`,
        ...(passphrase ? ['-passout', `pass:${passphrase}`] : ['-nodes']),
        '-keyout', own.key, '-out', `${stem}.csr`])
      openssl(['x509', '-req', '-in', `${stem}.csr`, '-CA', cert, '-CAkey', key,
        '-CAcreateserial', '-copy_extensions', 'copy', '-days', `${days}`, '-out', own.cert])
      return own
    },
  }
}
