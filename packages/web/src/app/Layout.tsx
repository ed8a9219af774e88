/** What surrounds every page: navigation beside it, or above it where the screen is narrow. The page scrolls by itself. */
import { Activity, Layers, Plus, Settings } from 'lucide-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { Link, useLocation, useRoute } from 'wouter'
import { HelpDialog } from './HelpDialog.tsx'
import styles from './Layout.module.css'
import { Logo } from './Logo.tsx'
import { OfflineNote } from './OfflineNote.tsx'
import { OrganizationMenu } from './OrganizationMenu.tsx'
import { PersonMenu } from './PersonMenu.tsx'

export function Layout({ children }: { children: ReactNode }) {
  const page = useRef<HTMLElement>(null)
  const [path] = useLocation()
  const shown = useRef(path)
  useEffect(() => {
    if (shown.current === path) return
    shown.current = path
    page.current?.scrollTo(0, 0)
    // So that one goes on in the new page, and hears of it; a page that has put the focus somewhere keeps it there.
    if (!page.current?.contains(document.activeElement)) page.current?.focus({ preventScroll: true })
  }, [path])
  return (
    <div className={styles.layout}>
      <a className={styles.skip} href="#page">
        Skip to the page
      </a>
      <header className={styles.bar}>
        <Link className={styles.home} href="/" aria-label="Corral, to your sessions">
          <Logo /> <span>Corral</span>
        </Link>
        <OrganizationMenu />
        <nav className={styles.links} aria-label="Main">
          <NavLink href="/" icon={<Layers size={16} />} text="Sessions" />
          <NavLink href="/new" icon={<Plus size={16} />} text="New session" />
          <NavLink href="/usage" icon={<Activity size={16} />} text="Usage" />
          <NavLink href="/settings" below="/settings/*?" icon={<Settings size={16} />} text="Settings" />
        </nav>
        <PersonMenu />
      </header>
      <main ref={page} id="page" tabIndex={-1} className={styles.page}>
        <OfflineNote />
        {children}
      </main>
      <HelpDialog />
    </div>
  )
}

/** `below`: the pattern of addresses that count as this one, too. */
function NavLink({ href, below = href, icon, text }: { href: string; below?: string; icon: ReactNode; text: string }) {
  const [isHere] = useRoute(below)
  return (
    <Link className={styles.link} href={href} aria-current={isHere ? 'page' : undefined} title={text}>
      {icon}
      <span>{text}</span>
    </Link>
  )
}
