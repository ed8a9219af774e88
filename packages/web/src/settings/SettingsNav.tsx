/** The parts of the settings. */
import { Link, useRoute } from 'wouter'
import styles from './SettingsNav.module.css'

export function SettingsNav({ isOperator }: { isOperator: boolean }) {
  return (
    <nav className={styles.nav} aria-label="Settings">
      <Part href="/settings" text="Profile" />
      <Part href="/settings/keys" text="API keys" />
      <Part href="/settings/organizations" below="/settings/organizations/*?" text="Organizations" />
      {isOperator && <Part href="/settings/users" text="Users" />}
      <Part href="/settings/audit" text="Audit log" />
    </nav>
  )
}

function Part({ href, below = href, text }: { href: string; below?: string; text: string }) {
  const [isHere] = useRoute(below)
  return (
    <Link className={styles.part} href={href} aria-current={isHere ? 'page' : undefined}>
      {text}
    </Link>
  )
}
