/* A set of 64-bit integers that lie near each other, as bits: a page for each 32,768 of them.

   Takes     integers of 64 bits out of a buffer, such as an Arrow column's
   Gives     whether any of them was there already
   Promises  no integer is forgotten, as long as it does not say that it is full

   Whoever has no C compiler does without: headwater/key_set.py.
*/

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT 15
#define PAGE_MASK ((UINT64_C(1) << PAGE_SHIFT) - 1)
#define PAGE_BYTES ((size_t)1 << (PAGE_SHIFT - 3))
#define FIRST_SLOT_BITS 6

typedef struct {
    uint64_t number;     /* the integers' upper bits */
    unsigned char *bits; /* NULL in a slot without a page */
} Page;

typedef struct {
    PyObject_HEAD
    Page *slots;   /* a hash table with open addresses, at most half full */
    int slot_bits; /* there are 2 to the power of this */
    size_t pages;
    size_t most;
} IntegerSet;

static Page *
slot_of(const IntegerSet *self, uint64_t number)
{
    size_t mask = ((size_t)1 << self->slot_bits) - 1;
    size_t at = (size_t)((number * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - self->slot_bits));
    while (self->slots[at].bits != NULL && self->slots[at].number != number) {
        at = (at + 1) & mask;
    }
    return &self->slots[at];
}

/* Double the slots; -1 where there is no memory, and nothing has changed. */
static int
grow(IntegerSet *self)
{
    Page *old = self->slots;
    size_t count = (size_t)1 << self->slot_bits;
    Page *slots = calloc(count * 2, sizeof(Page));
    if (slots == NULL) {
        return -1;
    }
    self->slots = slots;
    self->slot_bits += 1;
    for (size_t i = 0; i < count; i++) {
        if (old[i].bits != NULL) {
            *slot_of(self, old[i].number) = old[i];
        }
    }
    free(old);
    return 0;
}

/* Give the bits of a page, made when missing; NULL when the set is full, or with an exception. */
static unsigned char *
page_of(IntegerSet *self, uint64_t number)
{
    Page *slot = slot_of(self, number);
    if (slot->bits != NULL) {
        return slot->bits;
    }
    if (self->pages == self->most) {
        return NULL;
    }
    if ((self->pages + 1) * 2 > (size_t)1 << self->slot_bits) {
        if (grow(self) < 0) {
            PyErr_NoMemory();
            return NULL;
        }
        slot = slot_of(self, number);
    }
    unsigned char *bits = calloc(1, PAGE_BYTES);
    if (bits == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    slot->number = number;
    slot->bits = bits;
    self->pages += 1;
    return bits;
}

static PyObject *
integer_set_add(PyObject *object, PyObject *args)
{
    IntegerSet *self = (IntegerSet *)object;
    Py_buffer view;
    Py_ssize_t start, count;
    if (!PyArg_ParseTuple(args, "y*nn", &view, &start, &count)) {
        return NULL;
    }
    Py_ssize_t there = view.len / (Py_ssize_t)sizeof(int64_t);
    PyObject *answer = NULL;
    if (start < 0 || count < 0 || start > there || count > there - start) {
        PyErr_SetString(PyExc_ValueError, "the buffer does not hold so many integers");
        goto end;
    }
    const char *next = (const char *)view.buf + start * (Py_ssize_t)sizeof(int64_t);
    uint64_t number = 0;
    unsigned char *bits = NULL;
    unsigned char seen = 0;
    for (Py_ssize_t i = 0; i < count; i++, next += sizeof(int64_t)) {
        uint64_t integer;
        memcpy(&integer, next, sizeof integer);
        if (bits == NULL || integer >> PAGE_SHIFT != number) {
            number = integer >> PAGE_SHIFT;
            bits = page_of(self, number);
            if (bits == NULL) {
                answer = PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
                goto end;
            }
        }
        unsigned char *byte = &bits[(integer & PAGE_MASK) >> 3];
        unsigned char bit = (unsigned char)(1u << (integer & 7));
        seen |= *byte & bit;
        *byte |= bit;
    }
    answer = Py_NewRef(seen ? Py_False : Py_True);
end:
    PyBuffer_Release(&view);
    return answer;
}

static PyObject *
integer_set_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    Py_ssize_t nbytes;
    if (!PyArg_ParseTuple(args, "n", &nbytes)) {
        return NULL;
    }
    if (nbytes < 0) {
        PyErr_SetString(PyExc_ValueError, "a set cannot take less than no memory");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    IntegerSet *self = (IntegerSet *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->most = (size_t)nbytes / PAGE_BYTES;
    self->slot_bits = FIRST_SLOT_BITS;
    self->slots = calloc((size_t)1 << FIRST_SLOT_BITS, sizeof(Page));
    if (self->slots == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void
integer_set_dealloc(PyObject *object)
{
    IntegerSet *self = (IntegerSet *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->slots != NULL) {
        for (size_t i = 0; i < (size_t)1 << self->slot_bits; i++) {
            free(self->slots[i].bits);
        }
        free(self->slots);
    }
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef integer_set_methods[] = {
    {"add", integer_set_add, METH_VARARGS,
     "add($self, integers, start, count, /)\n--\n\n"
     "Add `count` integers of 64 bits, from position `start` of a buffer on.\n\n"
     "Say whether each of them was new; None when the set is full, and has only some of them."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot integer_set_slots[] = {
    {Py_tp_doc, "Integers of 64 bits, in pages of 4,096 bytes, of at most so many bytes together."},
    {Py_tp_new, integer_set_new},
    {Py_tp_dealloc, integer_set_dealloc},
    {Py_tp_methods, integer_set_methods},
    {0, NULL},
};

static PyType_Spec integer_set_spec = {
    .name = "headwater._integer_set.IntegerSet",
    .basicsize = sizeof(IntegerSet),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = integer_set_slots,
};

static int
module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &integer_set_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "headwater._integer_set",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__integer_set(void)
{
    return PyModuleDef_Init(&module);
}
