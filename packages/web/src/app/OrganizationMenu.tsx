/** Under which organization one works: sessions of it alone are listed, and new ones belong to it. */
import { Building2, ChevronsUpDown, Layers } from 'lucide-react'
import { Menu } from '../ui/Menu.tsx'
import styles from './Layout.module.css'
import { useOrganization } from './organization.tsx'

export function OrganizationMenu() {
  const { organization, mine, choose } = useOrganization()
  if (mine.length === 0) return null
  const name = organization?.name ?? 'All my work'
  return (
    <Menu
      label={`Working in ${name}; choose another`}
      className={styles.organization}
      groups={[
        [
          {
            key: 'all',
            text: 'All my work',
            icon: <Layers size={15} />,
            checked: organization === null,
            onSelect: () => choose(null),
          },
          ...mine.map((one) => ({
            key: one.organizationId,
            text: one.name,
            icon: <Building2 size={15} />,
            checked: one.organizationId === organization?.organizationId,
            onSelect: () => choose(one.organizationId),
          })),
        ],
      ]}
    >
      <span className={styles.name}>{name}</span>
      <ChevronsUpDown size={14} />
    </Menu>
  )
}
