/* store_tree.c - the ordered tree of store_tree.h. */
#include "overlay/store_tree.h"
#include "base/error.h"

/* The finalizer of SplitMix64: a bit of the address changes half of the bits. */
uint64_t store_tree_priority(const struct store_tree_node *node)
{
    uint64_t v = (uint64_t)(uintptr_t)node * UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

static int compare(struct rf_view a, struct rf_view b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int c = len > 0 ? memcmp(a.p, b.p, len) : 0;
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

struct store_tree_node *store_tree_find(const struct store_tree *tree, const struct store_tree_class *class,
                                        struct rf_view key)
{
    struct store_tree_node *n = tree->root;
    while (n != NULL) {
        int c = compare(key, class->key(n));
        if (c == 0)
            return n;
        n = c < 0 ? n->left : n->right;
    }
    return NULL;
}

/* Puts `with` (NULL allowed) where `n` hangs. */
static void replace(struct store_tree *tree, struct store_tree_node *n, struct store_tree_node *with)
{
    if (n->up == NULL)
        tree->root = with;
    else if (n->up->left == n)
        n->up->left = with;
    else
        n->up->right = with;
    if (with != NULL)
        with->up = n->up;
}

/* Lifts `n` above its parent. */
static void rotate_up(struct store_tree *tree, struct store_tree_node *n)
{
    struct store_tree_node *parent = n->up;
    replace(tree, parent, n);
    if (parent->left == n) {
        parent->left = n->right;
        if (n->right != NULL)
            n->right->up = parent;
        n->right = parent;
    } else {
        parent->right = n->left;
        if (n->left != NULL)
            n->left->up = parent;
        n->left = parent;
    }
    parent->up = n;
}

int store_tree_insert(struct store_tree *tree, const struct store_tree_class *class,
                      struct store_tree_node *node)
{
    struct rf_view key = class->key(node);
    struct store_tree_node *parent = NULL;
    struct store_tree_node **at = &tree->root;
    while (*at != NULL) {
        int c = compare(key, class->key(*at));
        if (c == 0)
            return RF_EEXIST;
        parent = *at;
        at = c < 0 ? &parent->left : &parent->right;
    }
    node->left = node->right = NULL;
    node->up = parent;
    *at = node;
    tree->count++;
    while (node->up != NULL && store_tree_priority(node->up) < store_tree_priority(node))
        rotate_up(tree, node);
    return 0;
}

void store_tree_remove(struct store_tree *tree, struct store_tree_node *node)
{
    while (node->left != NULL && node->right != NULL)
        rotate_up(tree, store_tree_priority(node->left) > store_tree_priority(node->right) ? node->left
                                                                                           : node->right);
    replace(tree, node, node->left != NULL ? node->left : node->right);
    node->left = node->right = node->up = NULL;
    tree->count--;
}

static struct store_tree_node *leftmost(struct store_tree_node *n)
{
    while (n != NULL && n->left != NULL)
        n = n->left;
    return n;
}

static struct store_tree_node *rightmost(struct store_tree_node *n)
{
    while (n != NULL && n->right != NULL)
        n = n->right;
    return n;
}

struct store_tree_node *store_tree_first(const struct store_tree *tree)
{
    return leftmost(tree->root);
}

struct store_tree_node *store_tree_last(const struct store_tree *tree)
{
    return rightmost(tree->root);
}

struct store_tree_node *store_tree_next(const struct store_tree_node *node)
{
    if (node->right != NULL)
        return leftmost(node->right);
    while (node->up != NULL && node->up->right == node)
        node = node->up;
    return node->up;
}

struct store_tree_node *store_tree_prev(const struct store_tree_node *node)
{
    if (node->left != NULL)
        return rightmost(node->left);
    while (node->up != NULL && node->up->left == node)
        node = node->up;
    return node->up;
}

struct store_tree_node *store_tree_at_least(const struct store_tree *tree,
                                            const struct store_tree_class *class, struct rf_view key)
{
    struct store_tree_node *best = NULL;
    for (struct store_tree_node *n = tree->root; n != NULL;) {
        bool before = compare(class->key(n), key) < 0;
        if (!before)
            best = n;
        n = before ? n->right : n->left;
    }
    return best;
}

struct store_tree_node *store_tree_before(const struct store_tree *tree, const struct store_tree_class *class,
                                          struct rf_view key)
{
    struct store_tree_node *best = NULL;
    for (struct store_tree_node *n = tree->root; n != NULL;) {
        bool before = compare(class->key(n), key) < 0;
        if (before)
            best = n;
        n = before ? n->right : n->left;
    }
    return best;
}
