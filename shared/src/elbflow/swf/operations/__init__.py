"""The SWF operations that elbflow uses, grouped by what they are about; :class:`elbflow.swf.Client` joins them."""
