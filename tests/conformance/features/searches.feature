Feature: Searches
  By the patient's NHS number and vaccine types or diseases, or by the supplier's identifier; in the query or in a form.

  Scenario Outline: a patient's records are found
    Given 'EMIS' sends
    And a <vaccine> record of a <patient> patient is held
    When it is searched for by <method>
    Then the answer is 200
    And it is found as it was sent
    And the patient is beside it
    When it is searched for by <method>, by its diseases
    Then the answer is 200
    And it is found as it was sent

    Examples:
      | method | vaccine | patient        |
      | GET    | FLU     | Random         |
      | POST   | MMRV    | Random         |
      | GET    | RSV     | SFlag          |
      | POST   | 6IN1    | SupersedeNhsNo |

  Scenario Outline: a record is found by its identifier, as it is now
    Given 'EMIS' sends
    And a PERTUSSIS record of a <patient> patient is held
    When its address is changed
    Then the answer is 200
    When it is searched for by <method>, by its identifier
    Then it alone is found
    When its id,meta are searched for by <method>
    Then only its id and version are found
    When it is deleted
    Then the answer is 204
    When it is searched for by <method>, by its identifier
    Then nothing is found

    Examples:
      | method | patient |
      | GET    | Random  |
      | POST   | Random  |

  Scenario Outline: what was not understood or not permitted is warned of
    Given 'MAVIS' sends
    And a FLU record of a Random patient is held
    When its patient's <types> records are searched for by <method>
    Then the answer is 200
    And a warning says that types <why>

    Examples:
      | method | types            | why               |
      | GET    | FLU,INVALID_TYPE | were ignored      |
      | POST   | FLU,INVALID_TYPE | were ignored      |
      | GET    | FLU,COVID        | are not permitted |
      | POST   | FLU,COVID        | are not permitted |

  Scenario Outline: a search that makes no sense is refused
    Given 'EMIS' sends
    When '<type>' is searched for of '<number>', from '<from>' to '<to>', with '<include>'
    Then the answer is 400
    And the answer refuses the search

    Examples:
      | type | number     | from       | to         | include              |
      | FLU  | 9990000019 | 2025-01-01 | 2025-06-01 | Immunization:patient |
      | flue | 9990000018 | 2025-01-01 | 2025-06-01 | Immunization:patient |
      | FLU  | 9990000018 | 2025-02-30 | 2025-06-01 | Immunization:patient |
      | FLU  | 9990000018 | 2025-01-01 | 1-6-2025   | Immunization:patient |
      | FLU  | 9990000018 | 2025-01-01 | 2025-06-01 | Immunization:place   |
      | FLU  | 9990000018 | 20250101   | 20250601   | x                    |
