/** Under which organization one works. Whoever belongs to one alone, or none, still sees that. */
import { Building2, ChevronsUpDown, User } from 'lucide-react'
import { Menu } from '../ui/Menu.tsx'
import styles from './Layout.module.css'
import { useOrganization } from './organization.tsx'

export function OrganizationMenu() {
  const { organization, mine, choose } = useOrganization()
  const name = organization?.name ?? 'Personal'
  return (
    <Menu
      label={`Working in ${name}; choose another`}
      className={styles.organization}
      groups={[
        [
          {
            key: 'personal',
            text: 'Personal',
            icon: <User size={15} />,
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
